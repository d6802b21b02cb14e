#!/usr/bin/env bash
# Trains, or continues, a run on all GPUs of this machine; without any, on its CPU in two processes.
#   ./launch/train.sh [OPTIONS OF accelerate launch --] SETTINGS OF train
#   ./launch/train.sh --recipe boston104 --data_dir corpora/boston104 --output_dir runs/boston104
#   ./launch/train.sh --config_file accelerate_configs/cpu.yaml -- --recipe boston104 ...
# After SIGUSR1 or SIGTERM to this script, or when its terminal is closed, the run saves and the script
# exits with 75, after Ctrl-C with 130; the same command continues. Behind nohup it goes on.
set -euo pipefail
case "${1:-}" in '' | -h | --help)
    sed -n '2,7s/^# //p' "$0"
    exit 0
    ;;
esac
# shellcheck source=launch/processes.sh
. "$(dirname "$0")/processes.sh"
find_environment
split_words "$@"
launch "${options[@]}" -m slr_accel.train "${settings[@]}"
