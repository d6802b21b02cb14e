#!/usr/bin/env bash
# Scores a run with all GPUs of this machine; without any, with two processes on its CPU.
#   ./launch/evaluate.sh [OPTIONS OF accelerate launch --] RUN [OPTIONS OF evaluate]
#   ./launch/evaluate.sh runs/boston104 --split dev
# After SIGUSR1 or SIGTERM it writes nothing and exits with 75.
set -euo pipefail
# shellcheck source=launch/processes.sh
. "$(dirname "$0")/processes.sh"
show_help "${1:---help}"
find_environment
split_words "$@"
launch "${options[@]}" -m slr_accel.cli evaluate "${settings[@]}"
