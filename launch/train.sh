#!/usr/bin/env bash
# Trains, or continues, a run on all GPUs of this machine; without any, on its CPU in two processes.
#   ./launch/train.sh [OPTIONS OF accelerate launch --] SETTINGS OF train
#   ./launch/train.sh --recipe boston104 --data_dir corpora/boston104 --output_dir runs/boston104
#   ./launch/train.sh --config_file accelerate_configs/cpu.yaml -- --recipe boston104 ...
# After SIGUSR1 or SIGTERM to this script, or when its terminal is closed, the run saves and the script
# exits with 75, after Ctrl-C with 130; the same command continues. Behind nohup it goes on.
set -euo pipefail
# shellcheck source=launch/processes.sh
. "$(dirname "$0")/processes.sh"
show_help "${1:---help}"
find_environment
split_words "$@"
launch "${options[@]}" -m slr_accel.train "${settings[@]}"
