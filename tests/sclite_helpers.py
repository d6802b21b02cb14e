"""The PHOENIX-2014 evaluation as a shell pipeline: sed and perl clean a CTM, sclite scores it.

Written from the published rules: sed and perl rules a CTM line each, `[EMPTY]` for ids of which no
word is left, lines in order of id and start.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from slr_accel.scoring.sclite import SCORES, sclite_command
from slr_accel.scoring.wer import Counts

SCLITE = sclite_command()
MERGE_REPEATS = r"s/(?<![\w-])(\b[A-Z]+(?![\w-])) \1(?![\w-])/$1/g"
CLEANING = rf"""
export LC_ALL=C
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
perl -pe '{MERGE_REPEATS}' | perl -pe '{MERGE_REPEATS}' |
grep -v -e __LEFTHAND__ -e __EPENTHESIS__ -e __EMOTION__ | awk '$5 != ""'
"""
PIPELINE = rf"""
set -e
({CLEANING}) < raw.ctm > clean.ctm || true
awk 'NR == FNR {{ has[$1] = 1; next }} !has[$1] {{ print $1, "1 0.0 0.03 [EMPTY]" }}' \
    clean.ctm raw.stm > empty.ctm
LC_ALL=C sort -s -k1,1 -k3,3n clean.ctm empty.ctm > sorted.ctm
LC_ALL=C sort -k1,1 raw.stm > sorted.stm
{" ".join(SCLITE or ["sclite"])} -h sorted.ctm ctm -r sorted.stm stm -f 0 -o pra stdout > pra
"""


def run_pipeline(folder: Path) -> str:
    """Scores raw.ctm against raw.stm in `folder`; returns sclite's alignments."""
    environment = {**os.environ, "LC_ALL": "C"}
    subprocess.run(["bash", "-c", PIPELINE], cwd=folder, env=environment, check=True)
    return (folder / "pra").read_text(encoding="utf-8", errors="replace")


def pipeline_counts(folder: Path, ctm: list[str], stm: list[str]) -> dict[str, Counts]:
    """The pipeline's counts of each sentence, by id."""
    (folder / "raw.ctm").write_text("".join(line + "\n" for line in ctm), encoding="utf-8")
    (folder / "raw.stm").write_text("".join(line + "\n" for line in stm), encoding="utf-8")
    found = [Counts(*map(int, numbers)) for numbers in SCORES.findall(run_pipeline(folder))]
    ids = [line.split()[0] for line in (folder / "sorted.stm").read_text("utf-8").splitlines()]
    return dict(zip(ids, found, strict=True))
