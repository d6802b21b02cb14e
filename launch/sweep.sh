#!/usr/bin/env bash
# Starts a wandb sweep and an agent for it on this machine; or an agent for a sweep that exists.
#   ./launch/sweep.sh [FILE.yaml] [OPTIONS OF wandb agent]        without FILE: launch/sweep.yaml
#   ./launch/sweep.sh OWNER/PROJECT/SWEEP [OPTIONS OF wandb agent]
#   ./launch/sweep.sh --local N [FILE.yaml]      N trials of the same file without a server or a key
# Run it where `wandb login` was done, never under `accelerate launch` or srun with several tasks:
# each trial starts its processes itself. WANDB_PROJECT names the project [slr_accel].
set -euo pipefail
if [ -n "${LOCAL_RANK:-}" ]; then
    echo "error: the agent was started by torchrun; start launch/sweep.sh by itself" >&2
    exit 2
fi
cd "$(dirname "$0")/.."
# shellcheck source=launch/processes.sh
. launch/processes.sh
show_help "$@"
find_environment

if [ "${1:-}" = --local ]; then
    exec python -m slr_accel.training.local_sweep "${2:-}" "${3:-launch/sweep.yaml}"
fi

what=launch/sweep.yaml
case "${1:-}" in
    '' | -*) ;;
    *)
        what=$1
        shift
        ;;
esac
case "$what" in
    *.yaml | *.yml)
        said=$(wandb sweep --project "${WANDB_PROJECT:-slr_accel}" "$what" 2>&1) || {
            echo "$said" >&2
            exit 1
        }
        echo "$said"
        sweep=$(sed -n 's/.*wandb agent \([^ ]*\).*/\1/p' <<<"$said")
        ;;
    *) sweep=$what ;;
esac
exec wandb agent "$@" "$sweep"
