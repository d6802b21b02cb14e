"""The PHOENIX-2014 evaluation as the shell pipeline that benchmarks/phoenix_pipeline.sh is."""

from __future__ import annotations

import subprocess
from pathlib import Path

from slr_accel.scoring.sclite import alignment_counts
from slr_accel.scoring.wer import Counts

PIPELINE = Path(__file__).parents[1] / "benchmarks" / "phoenix_pipeline.sh"


def cleaned_by_scripts(line: str) -> str:
    """What sed and perl leave of a line of a CTM file."""
    done = subprocess.run(["bash", PIPELINE, "clean"], input=line.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def pipeline_counts(folder: Path, ctm: list[str], stm: list[str]) -> dict[str, Counts]:
    """The pipeline's counts of each sentence, by id."""
    for name, lines in {"raw.ctm": ctm, "raw.stm": stm}.items():
        (folder / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    words = ["bash", PIPELINE, folder / "raw.ctm", folder / "raw.stm", folder]
    subprocess.run(words, check=True)
    return alignment_counts((folder / "out.pra").read_text(encoding="utf-8", errors="replace"))
