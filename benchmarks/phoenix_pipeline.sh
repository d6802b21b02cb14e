#!/usr/bin/env bash
# Scores hypotheses as papers on PHOENIX-2014 do, with sed, perl, sort, Python and sclite:
#   benchmarks/phoenix_pipeline.sh HYPOTHESIS.ctm REFERENCE.stm FOLDER
#   benchmarks/phoenix_pipeline.sh clean <LINES
# The first leaves sclite's reports in FOLDER, alignments in out.pra among them; the second only
# cleans lines of a CTM file. Written for tests and a benchmark from the rules as they are published,
# a process for each pass over the file.
set -euo pipefail
export LC_ALL=C

merge_repeats() {
    # shellcheck disable=SC2016
    perl -pe 's/(?<![\w-])(\b[A-Z]+(?![\w-])) \1(?![\w-])/$1/g'
}

join_letters() {
    sed -e 's/\([ +][A-Z]\) \([A-Z][ +]\)/\1+\2/g'
}

clean() {
    sed -e 's/loc-//g; s/cl-//g; s/qu-//g; s/poss-//g; s/lh-//g' \
        -e 's/S0NNE/SONNE/g; s/HABEN2/HABEN/g' |
        sed -e 's/__EMOTION__//g; s/__PU__//g; s/__LEFTHAND__//g' |
        sed -e 's/WIE AUSSEHEN/WIE-AUSSEHEN/g' \
            -e 's/ZEIGEN /ZEIGEN-BILDSCHIRM /g; s/ZEIGEN$/ZEIGEN-BILDSCHIRM/' \
            -e 's/[ +]\([A-Z]\) \([A-Z]\) / \1+\2 /g' |
        join_letters | join_letters | join_letters |
        sed -e 's/\([ +]SCH\) \([A-Z][ +]\)/\1+\2/g' |
        sed -e 's/\([ +]NN\) \([A-Z][ +]\)/\1+\2/g' |
        sed -e 's/\([ +][A-Z]\) \(NN[ +]\)/\1+\2/g' |
        sed -e 's/\([ +][A-Z]\) \([A-Z]\)$/\1+\2/' |
        sed -e 's/\([A-Z][A-Z]\)RAUM/\1/g' |
        sed -e 's/-PLUSPLUS//g' |
        merge_repeats | merge_repeats | merge_repeats | merge_repeats |
        awk '!/__LEFTHAND__/ && !/__EPENTHESIS__/ && !/__EMOTION__/ && $5 != ""'
}

if [ "$1" = clean ]; then
    clean
    exit
fi
hypothesis=$1 reference=$2 folder=$3
sclite=sclite
command -v sclite >/dev/null || sclite="sctk sclite"
clean <"$hypothesis" >"$folder/clean.ctm"
# An id of which no word is left gets a word of its own, by a program in Python as there.
python3 - "$folder/clean.ctm" "$reference" >"$folder/empty.ctm" <<'EOF'
import sys

with open(sys.argv[1], "rb") as ctm, open(sys.argv[2], "rb") as stm:
    found = {line.split(b" ", 1)[0] for line in ctm}
    for line in stm:
        if (name := line.split(b" ", 1)[0]) not in found:
            sys.stdout.buffer.write(name + b" 1 0.0 0.03 [EMPTY]\n")
EOF
sort -s -k1,1 -k3,3n "$folder/clean.ctm" "$folder/empty.ctm" >"$folder/sorted.ctm"
sort -k1,1 "$reference" >"$folder/sorted.stm"
cd "$folder"
$sclite -h sorted.ctm ctm -r sorted.stm stm -f 0 -o sgml sum rsum pra -n out >out.log
