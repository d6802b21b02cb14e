#!/usr/bin/env bash
# Scores hypotheses as papers on PHOENIX-2014 do, with sed, perl, awk, sort and NIST's sclite:
#   benchmarks/phoenix_pipeline.sh HYPOTHESIS.ctm REFERENCE.stm FOLDER
#   benchmarks/phoenix_pipeline.sh clean <LINES
# The first leaves sclite's reports in FOLDER, alignments in out.pra among them; the second only
# cleans lines of a CTM file. Written from the rules as they are published, for tests and a benchmark.
set -euo pipefail
export LC_ALL=C

merge_repeats() {
    # shellcheck disable=SC2016
    perl -pe 's/(?<![\w-])(\b[A-Z]+(?![\w-])) \1(?![\w-])/$1/g'
}

clean() {
    sed -e 's/loc-//g; s/cl-//g; s/qu-//g; s/poss-//g; s/lh-//g' \
        -e 's/S0NNE/SONNE/g; s/HABEN2/HABEN/g' |
        sed -e 's/__EMOTION__//g; s/__PU__//g; s/__LEFTHAND__//g' |
        sed -e 's/WIE AUSSEHEN/WIE-AUSSEHEN/g' \
            -e 's/ZEIGEN /ZEIGEN-BILDSCHIRM /g; s/ZEIGEN$/ZEIGEN-BILDSCHIRM/' \
            -e 's/[ +]\([A-Z]\) \([A-Z]\) / \1+\2 /g' |
        sed -e 's/\([ +][A-Z]\) \([A-Z][ +]\)/\1+\2/g' |
        sed -e 's/\([ +]SCH\) \([A-Z][ +]\)/\1+\2/g; s/\([ +]NN\) \([A-Z][ +]\)/\1+\2/g' \
            -e 's/\([ +][A-Z]\) \(NN[ +]\)/\1+\2/g; s/\([ +][A-Z]\) \([A-Z]\)$/\1+\2/' |
        sed -e 's/\([A-Z][A-Z]\)RAUM/\1/g; s/-PLUSPLUS//g' |
        merge_repeats | merge_repeats |
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
# An id of which no word is left gets a word of its own.
awk 'NR == FNR { has[$1] = 1; next } !has[$1] { print $1, "1 0.0 0.03 [EMPTY]" }' \
    "$folder/clean.ctm" "$reference" >"$folder/empty.ctm"
sort -s -k1,1 -k3,3n "$folder/clean.ctm" "$folder/empty.ctm" >"$folder/sorted.ctm"
sort -k1,1 "$reference" >"$folder/sorted.stm"
cd "$folder"
$sclite -h sorted.ctm ctm -r sorted.stm stm -f 0 -o sgml sum rsum pra -n out >out.log
