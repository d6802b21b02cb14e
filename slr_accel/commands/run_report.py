"""Gathers what the report of a run shows beside its scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from slr_accel.commands.report_clips import confused_signs, replayed_sentences
from slr_accel.diagnosis.error_figures import error_figures
from slr_accel.diagnosis.training_log import curves, read_records
from slr_accel.models.size import megabytes, num_parameters
from slr_accel.runs.opened import OpenedRun
from slr_accel.runs.outputs import frame_rate
from slr_accel.runs.run_folder import RunFolder
from slr_accel.scoring.references import references
from slr_accel.scoring.replay import skeleton
from slr_accel.scoring.report_details import Details
from slr_accel.scoring.scored import ScoredSequence, count_errors
from slr_accel.scoring.wer import Counts

TRAIN = "train"
PLACES = ("data_dir", "output_dir", "cache_dir")


def run_details(
    opened: OpenedRun,
    source: str,
    rows: np.ndarray,
    sequences: Sequence[ScoredSequence],
    n_best: Sequence[Sequence[list[str]]] = (),
    greedy: Sequence[Counts] = (),
) -> Details:
    """The details of the report on `rows`, whose scores `sequences` are.

    Args:
        source: the folder of the run, or what names the model.
        n_best: of a decoder that gives several hypotheses: those of each sequence, best first, in
            the words that were scored.
        greedy: of such a decoder: the counts of what greedy decoding says instead.
    """
    train = _train_references(opened)
    counts = Counter(word for words in train for word in words)
    figures = error_figures(sequences, counts)
    tables = {"By words in the sentence": figures["by_length"]}
    if train:
        tables["By what training saw"] = _by_seen(sequences, counts, train)
    shown = dict(zip(rows.tolist(), sequences, strict=True))
    if opened.corpus.is_remote:  # what is replayed would be fetched once more
        shown = {}
    sentences, clips = replayed_sentences(opened, shown)
    confused, signs = confused_signs(opened, shown)
    return Details(
        curves=_curves(RunFolder(Path(source))),
        tables=tables,
        recall={
            "Words found, by times in train": figures["by_frequency"] if train else [],
            "Words found, by place in the sentence": figures["by_place"],
        },
        unseen=_unseen_text(figures["seen"]) if train else "",
        sentences=sentences,
        confused=confused,
        skeleton=skeleton(opened.corpus.layout),
        clips=clips | signs,
        ranks=_ranks(sequences, n_best),
        greedy_errors={s.id: own.errors for s, own in zip(sequences, greedy, strict=False)},
        facts=_facts(opened, RunFolder(Path(source))),
    )


def _train_references(opened: OpenedRun) -> list[list[str]]:
    corpus = opened.corpus
    if TRAIN not in corpus.rows.split_names or opened.split == TRAIN:
        return []
    rows = corpus.rows.of_split(TRAIN)
    return references(corpus, rows, opened.vocabulary.label_policy)


def _by_seen(
    sequences: Sequence[ScoredSequence], counts: Counter[str], train: list[list[str]]
) -> list[dict[str, Any]]:
    known = {tuple(words) for words in train}
    groups: dict[str, list[ScoredSequence]] = {
        "the same sentence": [],
        "every word, in other sentences": [],
        "not every word": [],
    }
    same, words, not_all = groups.values()
    for sequence in sequences:
        if tuple(sequence.reference) in known:
            same.append(sequence)
        else:
            has_all = all(counts[word] for word in sequence.reference)
            (words if has_all else not_all).append(sequence)
    return [{"name": name, **count_errors(own)} for name, own in groups.items() if own]


def _unseen_text(seen: dict[str, Any]) -> str:
    text = (
        f"{seen['unseen_words']} of {seen['reference_words']} reference words never occur in train"
    )
    if seen["unseen_types"]:
        text += f": {', '.join(seen['unseen_types'])}"
    return f"{text}. {seen['types_said']} different words were said, of {seen['types']}."


def _ranks(
    sequences: Sequence[ScoredSequence], n_best: Sequence[Sequence[list[str]]]
) -> dict[str, int | None]:
    """The place of each reference among the hypotheses of its sequence; None where it is absent."""
    return {
        sequence.id: 1 + hypotheses.index(sequence.reference)
        if sequence.reference in hypotheses
        else None
        for sequence, hypotheses in zip(sequences, map(list, n_best), strict=False)
        if hypotheses
    }


def _curves(run: RunFolder) -> list[dict[str, Any]]:
    with suppress(ValueError):  # a model without its run, or a run whose log is lost
        return curves(read_records(run.metrics), run.config())
    return []


def _facts(opened: OpenedRun, run: RunFolder) -> dict[str, dict[str, Any]]:
    corpus, model = opened.corpus, opened.model
    facts: dict[str, dict[str, Any]] = {
        "Model": {
            "parameters": f"{num_parameters(model):,}",
            "megabytes (fp32)": f"{megabytes(model)['fp32']:.1f}",
            "outputs": model.num_outputs,
            "output stride": f"{model.output_stride} frames",
        },
        "Data": {
            "fingerprint": corpus.info.fingerprint,
            "layout": corpus.layout.signature,
            "frames per second": corpus.info.frames_per_second
            or f"unknown; times are at {frame_rate(opened):g}",
            **{f"sequences of {s}": len(corpus.rows.of_split(s)) for s in corpus.rows.split_names},
        },
    }
    if not run.exists:
        return facts
    with suppress(ValueError):  # a run without its environment.json is scored all the same
        environment = run.environment()
        facts["Data"]["fingerprint in training"] = environment.get("corpus_fingerprint")
        start = (environment.get("starts") or [{}])[-1]
        facts["Environment of training"] = {
            **{name: start.get(name) for name in ("time", "commit", "python", "device")},
            "processes": start.get("world_size"),
            **start.get("versions", {}),
        }
    # The page says elsewhere where the data lies; the address here may hold a password.
    facts["Settings"] = {k: v for k, v in run.config().items() if k not in PLACES}
    return facts
