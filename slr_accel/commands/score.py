"""Implements `slr-accel score`: error rates of hypothesis files of any recogniser."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slr_accel.commands.help_text import Description

if TYPE_CHECKING:
    from slr_accel.scoring.comparison import Comparison
    from slr_accel.scoring.formats import Transcripts

DESCRIPTION = """\
Scores the hypotheses of any recogniser against references, and needs no other program.

Both files may be .ctm, .stm, .trn, .txt (a sentence a line), .jsonl (an object a line with "id"
and "hypothesis" or "reference"), or the eval/SPLIT.json of slr-accel evaluate. A protocol is what
happens to the words before they are compared:

  phoenix2014   the one of the PHOENIX-2014 papers, with the counts of their scripts and sclite:
                each word of the hypothesis is cleaned alone (loc-NORD becomes NORD), [EMPTY] stands
                where nothing is left, and a and A are the same letter. References must be the
                official, clean ones
  phoenix2014t  the one of PHOENIX-2014T: both sides are cleaned, sentence by sentence, and equal
                neighbours become one
  sclite        words as sclite reads them: a and A are the same letter, markup is dropped
  plain         words are compared as they are written
  characters    characters are joined to words where sentences are spelled (A B | C is AB C); adds
                the character error rate

An id without a hypothesis counts as nothing recognised; an id without a reference is not scored.
Both are named. In the alignment a substitution costs 4, an insertion and a deletion 3, as in
sclite.

Example:
  slr-accel score --hypothesis out.ctm --reference dev.stm --protocol phoenix2014
"""
TOP = 8
"""Confusions of each kind on the terminal."""
NAMED = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from slr_accel.scoring.protocols import PROTOCOLS

    parser.formatter_class = Description
    parser.description = DESCRIPTION
    parser.add_argument("--hypothesis", type=Path, required=True, metavar="FILE")
    parser.add_argument("--reference", type=Path, required=True, metavar="FILE")
    parser.add_argument("--protocol", choices=PROTOCOLS, required=True, help="see above")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="hypotheses of another recogniser: is the difference more than chance?",
    )
    parser.add_argument(
        "--run",
        type=Path,
        metavar="RUN",
        help="the run or model folder: adds the WER under its own label policy, and the lowest WER "
        "that its vocabulary allows",
    )
    parser.add_argument(
        "--alignments",
        type=Path,
        metavar="FILE",
        help="write every sentence aligned: a page where FILE ends in .html, else sclite's text",
    )
    parser.add_argument(
        "--check", action="store_true", help="compare the counts with sclite's, if it is installed"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON alone")


def run(args: argparse.Namespace) -> int:
    from slr_accel.scoring.comparison import compare, comparison_figures
    from slr_accel.scoring.formats import read_transcripts
    from slr_accel.scoring.sclite import disagreements

    references = read_transcripts(args.reference, "reference")
    hypotheses = read_transcripts(args.hypothesis, "hypothesis")
    comparison = compare(references, hypotheses, args.protocol)
    result = comparison_figures(comparison) | _origin(args)
    if args.run is not None:
        result |= _own_policy(args, references, hypotheses)
    if args.against is not None:
        other = compare(references, read_transcripts(args.against, "hypothesis"), args.protocol)
        result["against"] = _difference(comparison, other, args.against)
    if args.check:
        differing = disagreements(comparison.sequences, args.protocol)
        result["sclite_agrees"] = not differing
        result["sclite_differences"] = differing
    if args.alignments is not None:
        _write_alignments(args.alignments, result, comparison)
    if args.json:
        print(json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _show(result, comparison, args.alignments)
    return 0 if result.get("sclite_agrees", True) else 1


def _origin(args: argparse.Namespace) -> dict[str, Any]:
    """Names the files; where the hypothesis is a result of `evaluate`, also what made it."""
    known: dict[str, Any] = {}
    if args.hypothesis.suffix == ".json":
        try:
            known = dict(json.loads(args.hypothesis.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(f"{args.hypothesis}: is no result of evaluate ({error})") from None
    return {
        **{key: known.get(key) for key in ("decoder", "label_policy", "checkpoint")},
        "split": args.hypothesis.name,
        "hypothesis": str(args.hypothesis),
        "reference": str(args.reference),
    }


def _own_policy(
    args: argparse.Namespace, references: Transcripts, hypotheses: Transcripts
) -> dict[str, Any]:
    from slr_accel.labels.policies import reference_labels
    from slr_accel.labels.vocabulary import Vocabulary
    from slr_accel.models.find import VOCABULARY_FILE
    from slr_accel.scoring.comparison import vocabulary_floors
    from slr_accel.scoring.wer import Counts, score

    vocabulary = Vocabulary.load(args.run / VOCABULARY_FILE)
    raw = list(references.sentences.values())
    said = [hypotheses.sentences.get(name, []) for name in references.sentences]
    own = sum(score(reference_labels(vocabulary.label_policy, raw), said), Counts())
    floors = vocabulary_floors(vocabulary, raw, args.protocol)
    return {"label_policy": vocabulary.label_policy, "policy_wer": own.wer, **floors}


def _difference(comparison: Comparison, other: Comparison, path: Path) -> dict[str, Any]:
    from slr_accel.scoring.bootstrap import paired_test
    from slr_accel.scoring.scored import count_errors

    test = paired_test(
        [s.counts for s in comparison.sequences], [s.counts for s in other.sequences]
    )
    return {
        "hypothesis": str(path),
        **count_errors(other.sequences),
        "missing_ids": other.missing,
        "extra_ids": other.extra,
        "notes": other.notes,
        **({} if test is None else test._asdict()),
    }


def _write_alignments(path: Path, result: dict[str, Any], comparison: Comparison) -> None:
    from slr_accel.files import replaced
    from slr_accel.scoring.aligned_text import write_aligned_text
    from slr_accel.scoring.page import write_html

    if not path.absolute().parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}; make it or choose another")
    if path.suffix.lower() not in (".html", ".htm"):
        write_aligned_text(path, comparison.sequences)
        return
    with replaced(path) as unfinished:
        write_html(unfinished, result, comparison.sequences)


def _show(result: dict[str, Any], comparison: Comparison, alignments: Path | None) -> None:
    from slr_accel.scoring.report import (
        confusions,
        figures_table,
        headline,
        own_policy_text,
        percent,
    )
    from slr_accel.terminal import Terminal

    console = Terminal()
    console.print(headline(result))
    spelling = f", CER {percent(result['cer'])}" if "cer" in result else ""
    console.print(f"protocol {result['protocol']}{spelling}", markup=False)
    for note in result["notes"]:
        console.print(f"note: {note}", markup=False)
    console.print(figures_table(result))
    found = confusions(comparison.sequences, TOP)
    frequent = {
        "substituted": [f"{r} → {h} {times}" for (r, h), times in found.substitutions],
        "deleted": [f"{word} {times}" for word, times in found.deletions],
        "inserted": [f"{word} {times}" for word, times in found.insertions],
    }
    for name, errors in frequent.items():
        console.print(f"{name}: {', '.join(errors) or 'nothing'}", markup=False)
    if "policy_wer" in result:
        console.print(own_policy_text(result), markup=False)
    if "against" in result:
        console.print(_difference_text(result["against"]), markup=False)
    if "sclite_agrees" in result:
        differing = result["sclite_differences"]
        console.print("sclite agrees" if not differing else "sclite counts otherwise:")
        for line in differing[:NAMED]:
            console.print(f"  {line}", markup=False)
    if alignments is not None:
        console.print(f"alignments: {alignments}", markup=False)


def _difference_text(against: dict[str, Any]) -> str:
    from slr_accel.scoring.report import percent

    text = f"against {against['hypothesis']}: WER {percent(against['wer'])}"
    if "difference" not in against:
        return f"{text}; no test of one sentence"
    low, high = (100 * limit for limit in against["ci95"])
    notes = "".join(f"\nnote: {note}" for note in against["notes"])
    limits = f"95 % interval {low:+.1f} to {high:+.1f}, p = {against['p_value']:.2g}"
    return (
        f"{text}; difference {100 * against['difference']:+.1f} points, {limits} (paired "
        f"bootstrap); better in {against['better']} sentences, worse in {against['worse']}{notes}"
    )
