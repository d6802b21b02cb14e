# Sourced by the scripts beside it: finds the environment, starts processes, passes signals on.
# After USR1, TERM or HUP a run saves and exits with 75; the same command continues it.
# shellcheck shell=bash disable=SC2034 # options, settings are for who sources this

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# show_help "$@": after -h or --help, prints the comment at the top of the script and exits.
show_help() {
    case "${1:-}" in -h | --help)
        sed -n '2,/^[^#]/s/^# //p' "$0"
        exit 0
        ;;
    esac
}

# Uses the active environment where it has slr_accel, else .venv of the clone.
find_environment() {
    if command -v slr-accel >/dev/null && command -v accelerate >/dev/null; then return; fi
    local here=$PWD
    cd "$root" || return
    # shellcheck source=launch/environment.sh
    . launch/environment.sh
    cd "$here" || return
}

# options=(...) of `accelerate launch`: words before `--` if there is one, else what the machine has.
# settings=(...): the other words.
split_words() {
    options=() settings=("$@")
    local position=0 word gpus
    for word in "$@"; do
        if [ "$word" = -- ]; then
            options=("${@:1:position}") settings=("${@:position+2}")
            return
        fi
        position=$((position + 1))
    done
    gpus=$({ nvidia-smi --list-gpus 2>/dev/null || true; } | grep -c '^GPU' || true)
    # The driver lists all GPUs, also those that may not be used.
    if [ "$gpus" -gt 0 ] && [ -n "${CUDA_VISIBLE_DEVICES+set}" ]; then
        gpus=$(tr ',' '\n' <<<"$CUDA_VISIBLE_DEVICES" | grep -c '^[^-]' || true)
    fi
    if [ "$gpus" -gt 1 ]; then
        options=(--config_file "$root/accelerate_configs/multi_gpu.yaml" --num_processes "$gpus")
    elif [ "$gpus" = 1 ]; then
        options=(--config_file "$root/accelerate_configs/single_gpu.yaml")
    else
        options=(--config_file "$root/accelerate_configs/cpu_2proc.yaml")
    fi
}

# A trapped signal ends `wait` as well. The traps set `interrupted`; `code` is the exit code of $1.
wait_for() {
    while :; do
        interrupted='' code=0
        wait "$1" || code=$?
        [ -n "$interrupted" ] || return 0
    done
}

# launch WORDS: runs `accelerate launch WORDS` to its end and returns the exit code of what it started,
# whose error is repeated below the traceback that the launcher ends with.
# Signals go to the processes it started and not to the launcher, which would kill them after 30
# seconds. They are repeated, since a process that is still starting ignores them. When a terminal is
# closed, all processes get HUP, behind nohup too; this script alone handles it.
launch() {
    local code ended_by='' launcher told
    told=$(mktemp -d)
    (
        trap '' USR1 HUP
        export SLR_ACCEL_EXIT_FILE=$told/first
        export PET_SIGNALS_TO_HANDLE=SIGTERM,SIGINT,SIGQUIT # of torchrun
        exec accelerate launch "$@"
    ) &
    launcher=$!
    trap 'interrupted=yes; [ -n "$ended_by" ] || { ended_by=75; signal_processes "$launcher" & }' USR1 TERM HUP
    trap 'interrupted=yes; ended_by=130' INT
    wait_for "$launcher"
    trap - USR1 TERM HUP INT
    if [ "$code" != 0 ] && [ -z "$ended_by" ] && [ -f "$told/first" ]; then
        code=$(head -n 1 "$told/first")
        tail -n +2 "$told/first" >&2
        echo >&2
    fi
    rm -rf "$told"
    # The launcher has exit codes of its own.
    if [ "$code" != 0 ] && [ -n "$ended_by" ]; then
        code=$ended_by
        # Below the traceback that the launcher prints then.
        echo "ended by a signal (what was saved stands above the launcher's traceback); the same command continues" >&2 ||
            true # the terminal may be closed
    fi
    return "$code"
}

signal_processes() {
    while kill -0 "$1" 2>/dev/null; do
        # shellcheck disable=SC2046
        kill -USR1 $(cat "/proc/$1/task/"*/children 2>/dev/null) 2>/dev/null || true
        sleep 2
    done
}

# requeue_if_ended COMMAND: runs it; passes USR1 and TERM on; upon 75 gives the job back to SLURM.
requeue_if_ended() {
    local code pid
    "$@" &
    pid=$!
    trap 'interrupted=yes; kill -USR1 "$pid" 2>/dev/null' USR1 TERM
    wait_for "$pid"
    trap - USR1 TERM
    if [ "$code" = 75 ]; then
        echo "requeued: job $SLURM_JOB_ID continues where it saved"
        scontrol requeue "$SLURM_JOB_ID"
        return 0
    fi
    return "$code"
}
