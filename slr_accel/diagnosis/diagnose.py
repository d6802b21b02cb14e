"""Diagnoses a run, a corpus or the metrics of a run: one dict of figures, findings and a verdict.

Everything is only read, so that a run that still trains is not disturbed.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from slr_accel.corpus.reader import Corpus
from slr_accel.diagnosis import examine_corpus, training_log
from slr_accel.diagnosis.verdict import follows, headline, in_order
from slr_accel.findings import Finding
from slr_accel.inspection.row_checks import OUTPUT_STRIDES
from slr_accel.progress import Progress
from slr_accel.runs.opened import OpenedRun
from slr_accel.runs.run_folder import RunFolder


def diagnose_run(opened: OpenedRun, run: RunFolder, *, own_corpus: bool) -> dict[str, Any]:
    """Diagnoses a trained model with its log (if it has one) and its corpus.

    Args:
        own_corpus: whether the corpus is the one the run was trained on.
    """
    from slr_accel.diagnosis import examine_run

    corpus, split, model = opened.corpus, opened.split, opened.model
    findings = [Finding("warning", "other_corpus", text) for text in opened.warnings]
    result: dict[str, Any] = {"checkpoint": opened.checkpoint.resolve().name, "split": split}
    findings += examine_run.tokens(opened, is_own_corpus=own_corpus)
    found, sample = examine_corpus.sampled_corpus(corpus, split)
    result |= sample
    strides = set(OUTPUT_STRIDES) - {model.output_stride}
    of_others = {f"unalignable_stride_{stride}" for stride in strides}
    findings += [finding for finding in found if finding.code not in of_others]
    if split != "train" and "train" in corpus.rows.split_names:
        found, result["features"] = examine_corpus.features(
            corpus, split, model.features, model.max_frames
        )
        findings += found
    logged: list[Finding] = []
    result["training"] = _training(run, logged)
    found, result["output"] = examine_run.outputs(opened, _share(result["training"]))
    findings += [*found, *logged]
    findings += training_log.age_findings(opened.checkpoint.name, result["training"])
    found, result["layers"], result["batch_loss"] = examine_run.layers(
        opened, result["output"]["train_wer"]
    )
    findings += found
    result["sentences"] = examine_run.sentences(opened)
    wer = result["output"]["errors"]["wer"]["wer"]
    return _whole("run", str(run.path), result, findings, wer)


def diagnose_unsaved(run: RunFolder, corpus: Corpus, split: str) -> dict[str, Any]:
    """Diagnoses a run that has no checkpoint yet: its log and its corpus."""
    findings, result = examine_corpus.sampled_corpus(corpus, split)
    result |= {"split": split, "training": _training(run, findings)}
    return _whole("run", str(run.path), result, findings, None)


def diagnose_corpus(corpus: Corpus, split: str, track: Progress) -> dict[str, Any]:
    """Diagnoses a whole corpus; compares train and `split` through features in default settings."""
    findings, result = examine_corpus.whole_corpus(corpus, track)
    result["split"] = split
    damaged = any(finding.code == "damaged_shard" for finding in findings)
    names = corpus.rows.split_names
    if not damaged and split != "train" and {"train", split} <= set(names):
        transform = examine_corpus.default_transform(corpus)
        found, result["features"] = examine_corpus.features(corpus, split, transform, None)
        findings += found
    return _whole("corpus", corpus.address, result, findings, None)


def diagnose_metrics(path: Path) -> dict[str, Any]:
    """Diagnoses the figures that a run has logged."""
    findings: list[Finding] = []
    run = RunFolder(path.parent)
    training = _log(path, run.config() if run.exists else {}, findings)
    return _whole("metrics", str(path), {"training": training}, findings, None)


def _training(run: RunFolder, findings: list[Finding]) -> dict[str, Any] | None:
    """The curves of a run; adds the findings of its log."""
    if not run.metrics.is_file():
        return None
    return _log(run.metrics, run.config() if run.exists else {}, findings)


def _share(training: dict[str, Any] | None) -> float | None:
    """Share of the run that is over; None where it is not known."""
    if training is None or not training["total_steps"] or training["step"] is None:
        return None
    return float(training["step"] / training["total_steps"])


def _log(path: Path, config: dict[str, Any], findings: list[Finding]) -> dict[str, Any]:
    records = training_log.read_records(path)
    total = training_log.planned_steps(records, config)
    findings += training_log.progress_findings(records, config)
    findings += training_log.state_findings(records, config)
    last = records[-1] if records else {}
    wers = [record["wer"] for record in records if "wer" in record]
    return {
        "lines": len(records),
        "step": last.get("step"),
        "total_steps": total,
        "best_wer": min(wers, default=None),
        "last_wer": wers[-1] if wers else None,
        "forecast": training_log.expected_wer(records, total),
        "curves": training_log.curves(records, config),
    }


def _whole(
    kind: str, source: str, result: dict[str, Any], findings: list[Finding], wer: float | None
) -> dict[str, Any]:
    findings = in_order(findings)
    explained = follows(findings)
    full: dict[str, Any] = {
        "corpus": None,
        "labels": None,
        "features": None,
        "output": None,
        "training": None,
        "layers": [],
        "batch_loss": None,
        "sentences": [],
        "checkpoint": None,
        "split": None,
        **result,
    }
    whole = {
        "ok": all(finding.severity != "error" for finding in findings),
        "kind": kind,
        "source": source,
        "headline": headline(findings, wer),
        "findings": [
            f.to_json()
            | {"sure": f.sure, "problem": f.problem}
            | ({"follows": explained[f.code]} if f.code in explained else {})
            for f in findings
        ],
        "unknown": unknown(full),
        **full,
    }
    return dict(_finite(whole))


def _finite(value: Any) -> Any:
    """The same with None for numbers that are not finite, which JSON cannot hold."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def unknown(result: dict[str, Any]) -> list[str]:
    """What this diagnosis cannot tell, in sentences."""
    told = []
    if result["output"] is None:
        told.append(
            "No trained model was examined: outputs, layers and errors are unknown. Diagnose a "
            "run for these."
        )
    if result["training"] is None:
        told.append("There is no log of training, so progress and learning rate are unknown.")
    elif not result["training"]["curves"]:
        told.append("The log of training has no line yet.")
    if result["corpus"] is None:
        told.append("No corpus was examined: faults of data and labels are unknown.")
    elif result["corpus"]["checked"] < result["corpus"]["sequences"]:
        told.append(
            f"The content of {result['corpus']['checked']} of {result['corpus']['sequences']} "
            "sequences was read: `slr-accel inspect` reads every one."
        )
    if result["labels"] is not None:
        hidden = [n for n, r in result["labels"]["length_correlation"].items() if r is None]
        if hidden:
            told.append(
                f"Labels of {', '.join(hidden)} cannot be checked against the lengths of their "
                "sequences: there are fewer than 20, or all have equally many labels."
            )
        told.append(
            "Labels that are exchanged among sentences of like length, and annotations that are "
            "wrong in themselves, cannot be told by figures: watch some."
        )
    return told
