"""How fast are hypotheses scored, against the pipeline of sed, perl and sclite?

    python benchmarks/scoring.py

ours      slr_accel's reader, protocol phoenix2014 and aligner: from the two files to the counts of
          every sentence, in one process
pipeline  benchmarks/phoenix_pipeline.sh, from the same files to sclite's alignments, of which the
          counts are read

Both score the hypotheses of PHOENIX-2014's dev part, in turns; that they count the same in every
sentence is checked first. Ours scores them ten times a round. `command` is `slr-accel score --json`
as it is called, with the start of Python, the interval and the confusions.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from slr_accel.scoring.comparison import compare
from slr_accel.scoring.formats import read_transcripts
from slr_accel.scoring.sclite import alignment_counts, sclite_command
from slr_accel.scoring.wer import Counts

RESULTS = Path(__file__).with_name("RESULTS.md")
PASSES = 10
"""Of ours in a round, of which the mean counts: one takes little longer than a time slice."""
PIPELINE = Path(__file__).with_name("phoenix_pipeline.sh")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data_dir", type=Path, default=Path("../shared/data"), help="[%(default)s]"
    )
    parser.add_argument("--rounds", type=int, default=15, help="of which the median counts [15]")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    if sclite_command() is None:
        parser.error("the pipeline needs NIST's sclite: apt-get install sctk")
    phoenix = args.data_dir.resolve() / "phoenix2014"
    ctm = phoenix / "golden" / "ms-dev-seed2.ctm"
    stm = phoenix / "stm" / "phoenix2014-groundtruth-dev.stm"
    if not ctm.is_file():
        parser.error(f"{ctm} is absent; give --data_dir")
    with tempfile.TemporaryDirectory(prefix="scoring-benchmark-") as name:
        text = compare_ways(ctm, stm, Path(name), args.rounds)
    print(text)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write("\n" + text)


def compare_ways(ctm: Path, stm: Path, folder: Path, rounds: int) -> str:
    """One table: milliseconds of each way, and the ratios within a round."""
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: score_ours(ctm, stm),
        "pipeline": lambda: score_by_pipeline(ctm, stm, folder),
        "command": lambda: call_command(ctm, stm),
    }
    counts = score_ours(ctm, stm)
    assert counts == score_by_pipeline(ctm, stm, folder), "they count differently"
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, score in ways.items():
            start, started = time.perf_counter(), cpu_seconds()
            passes = PASSES if name == "ours" else 1
            for _ in range(passes):
                score()
            seconds[name].append((time.perf_counter() - start) / passes)
            cpu[name].append((cpu_seconds() - started) / passes)
    total = sum(counts.values(), Counts())
    lines = [
        f"## scoring, {date.today().isoformat()}\n",
        f"{cpu_model()}, {os.cpu_count()} cores, shared with other work; medians of {rounds} "
        "rounds in turns, of ratios within a round; `benchmarks/scoring.py` says what is "
        "compared.\n",
        f"**{len(counts)} sentences** of PHOENIX-2014 dev, counted alike: C {total.correct} "
        f"S {total.substitutions} D {total.deletions} I {total.insertions}\n",
        "| way | ms | fastest - slowest round | faster than the pipeline by | less CPU time by |",
        "|---|---|---|---|---|",
    ]
    for name, times in seconds.items():
        faster, less = (
            statistics.median(p / t for p, t in zip(way["pipeline"], way[name], strict=True))
            for way in (seconds, cpu)
        )
        ms = [1000 * t for t in times]
        lines.append(
            f"| {name} | {statistics.median(ms):.1f} | {min(ms):.1f} - {max(ms):.1f} "
            f"| {faster:.1f} x | {less:.1f} x |"
        )
    return "\n".join(lines) + "\n"


def cpu_seconds() -> float:
    """Of this process and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def score_ours(ctm: Path, stm: Path) -> dict[str, Counts]:
    """Counts by id in lower case, as sclite prints it."""
    references = read_transcripts(stm, "reference")
    comparison = compare(references, read_transcripts(ctm, "hypothesis"), "phoenix2014")
    return {sequence.id.lower(): sequence.counts for sequence in comparison.sequences}


def score_by_pipeline(ctm: Path, stm: Path, folder: Path) -> dict[str, Counts]:
    """Counts by id in lower case, as sclite prints it."""
    subprocess.run(["bash", PIPELINE, ctm, stm, folder], check=True)
    return alignment_counts((folder / "out.pra").read_text(encoding="utf-8", errors="replace"))


def call_command(ctm: Path, stm: Path) -> None:
    words = ["--hypothesis", str(ctm), "--reference", str(stm), "--protocol", "phoenix2014"]
    subprocess.run(
        [sys.executable, "-m", "slr_accel.cli", "score", *words, "--json"],
        stdout=subprocess.DEVNULL,
        check=True,
    )


def cpu_model() -> str:
    # That of loading.py would come with torch, whose many objects slow Python's garbage collector.
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "CPU")


if __name__ == "__main__":
    main()
