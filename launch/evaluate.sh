#!/usr/bin/env bash
# Scores a run with all GPUs of this machine; without any, with two processes on its CPU.
#   ./launch/evaluate.sh [OPTIONS OF accelerate launch --] RUN [OPTIONS OF evaluate]
#   ./launch/evaluate.sh runs/boston104 --split dev
# After SIGUSR1 or SIGTERM it writes nothing and exits with 75.
set -euo pipefail
case "${1:-}" in '' | -h | --help)
    sed -n '2,5s/^# //p' "$0"
    exit 0
    ;;
esac
# shellcheck source=launch/processes.sh
. "$(dirname "$0")/processes.sh"
find_environment
split_words "$@"
launch "${options[@]}" -m slr_accel.cli evaluate "${settings[@]}"
