#!/usr/bin/env bash
# Trains teachers, then a student that learns from them, and scores each on dev.
#   ./launch/distill.sh [OPTIONS OF accelerate launch --] CORPUS FOLDER [SETTINGS OF the student]
#   ./launch/distill.sh corpora/wlasl50 runs/wlasl50
#   TEACHERS='wlasl50_teacher wlasl50_cosign' ./launch/distill.sh corpora/wlasl50 runs/wlasl50 --seed 2
# $TEACHERS names the recipes of the teachers, with blanks between [wlasl50_teacher], $STUDENT that
# of the student [wlasl50_distilled]; YAML files do too. Teachers go to FOLDER/RECIPE, the student to FOLDER/student.
# Uses all GPUs of this machine; without any, two processes on its CPU. After a signal, the same
# command continues.
set -euo pipefail
# shellcheck source=launch/processes.sh
. "$(dirname "$0")/processes.sh"
show_help "${1:---help}"
find_environment
split_words "$@"
if [ "${#settings[@]}" -lt 2 ] || [[ "${settings[0]} ${settings[1]}" == *--* ]]; then
    echo "error: give a corpus and a folder for the runs; --help shows how" >&2
    exit 2
fi
corpus=${settings[0]} folder=${settings[1]} settings=("${settings[@]:2}")
# One recipe a word; each has a folder of its own.
read -ra teachers <<<"${TEACHERS:-wlasl50_teacher}"
names=(student)
for recipe in "${teachers[@]}"; do names+=("$(basename "$recipe" .yaml)"); done
twice=$(printf '%s\n' "${names[@]}" | sort | uniq -d)
if [ -n "$twice" ]; then
    echo "error: two runs would go to $folder/$twice; give the recipe file another name" >&2
    exit 2
fi

# train RUN SETTINGS: trains one run; all of a folder are one group on wandb.
train() {
    launch "${options[@]}" -m slr_accel.train --data_dir "$corpus" --output_dir "$folder/$1" \
        --wandb_group "$(basename "$folder")" "${@:2}"
}

runs=() taught=()
for recipe in "${teachers[@]}"; do
    name=$(basename "$recipe" .yaml)
    train "$name" --recipe "$recipe"
    runs+=("$name") taught+=(--teacher "$folder/$name")
done
train student --recipe "${STUDENT:-wlasl50_distilled}" "${taught[@]}" "${settings[@]}"
for run in "${runs[@]}" student; do
    printf '\n%s\n' "$folder/$run"
    launch "${options[@]}" -m slr_accel.cli evaluate "$folder/$run" --split dev
done
