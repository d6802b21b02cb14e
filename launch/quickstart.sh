#!/usr/bin/env bash
# From a fresh clone to a trained and scored recogniser, on any machine, in minutes:
#   ./launch/quickstart.sh [SETTINGS OF train, e.g. --max_steps 20]
# Makes .venv, a synthetic corpus, a run, its evaluation and report. Run again, it continues.
set -euo pipefail
case "${1:-}" in -h | --help)
    sed -n '2,4s/^# //p' "$0"
    exit 0
    ;;
esac
for word in "$@"; do
    case "$word" in --output[_-]dir* | --data[_-]dir*)
        echo "error: $word: the quickstart has a corpus and a run of its own; for others give \`slr-accel train\` the settings" >&2
        exit 2
        ;;
    esac
done
cd "$(dirname "$0")/.."

corpus=corpora/synthetic
run=runs/quickstart
processes=$(($(getconf _NPROCESSORS_ONLN) > 1 ? 2 : 1))
export ACCELERATE_USE_CPU=true
durations=''

# part NAME COMMAND...: shows the command, runs it, and notes how long it took.
part() {
    local started=$SECONDS
    printf '\n$ %s\n' "${*:2}"
    "${@:2}"
    durations+=$(printf '  %-9s %4d s' "$1" $((SECONDS - started)))$'\n'
}

part install . launch/environment.sh
[ -f "$corpus/corpus.json" ] || part prepare slr-accel prepare synthetic --out "$corpus"
part train launch/train.sh --config_file accelerate_configs/cpu_2proc.yaml --num_processes "$processes" -- \
    --recipe synthetic --data_dir "$corpus" --output_dir "$run" "$@"
part evaluate slr-accel evaluate "$run" --split test

printf '\nWhat took how long:\n%s' "$durations"
echo "curves: $run/curves.png"
echo "checkpoint: $run/best"
echo "for slr-accel in this terminal: . $VENV/bin/activate"
