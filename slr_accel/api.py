"""Defines what other programs may call: load, open_corpus, train, evaluate and score.

Their names, arguments and results change only with the major version of the package (before 1.0
with the minor one). Everything else may change at any time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # importing torch or pyarrow takes seconds
    from slr_accel.corpus.reader import Corpus
    from slr_accel.runs.trained import TrainedRecogniser


def load(
    source: str | Path, *, device: str | None = None, missing: str | None = None
) -> TrainedRecogniser:
    """Loads a trained recogniser, whose `transcribe` reads arrays and files.

    Args:
        source: a run folder (its best checkpoint), a model folder or hf://OWNER/NAME.
        device: `cpu`, `cuda`, `cuda:1`, ...; by default a GPU where there is one.
        missing: how arrays mark what was not detected, as in `prepare manifest --missing`; by
            default as those of the corpus trained on did.

    Raises:
        ValueError: there is no such model or device, or a file of it is wrong.
        OSError: the Hub cannot be reached.
    """
    from slr_accel.runs import trained

    return trained.load(source, device=device, missing=missing)


def open_corpus(
    address: str | Path, *, cache_dir: str | None = None, cache_gb: float | None = None
) -> Corpus:
    """Opens a corpus; `features(row)` [T, D], `presence(row)` and `labels(row)` read a sequence.

    Args:
        address: a folder, or what fsspec reaches (`s3://bucket/corpus`).
        cache_dir, cache_gb: the cache for the shards of a remote corpus.

    Raises:
        ValueError: there is no corpus that can be read.
        RunError: a remote corpus cannot be reached.
    """
    from slr_accel.corpus import reader

    return reader.open_corpus(address, cache_dir=cache_dir, cache_gb=cache_gb)


def train(
    data_dir: str | Path, output_dir: str | Path, *, recipe: str | None = None, **settings: Any
) -> Path:
    """Trains a run in this process, or continues it, as `slr-accel train` does.

    Args:
        data_dir: a corpus.
        output_dir: the run's folder.
        recipe: complete settings by name, or a YAML file; by default chosen by the corpus.
        settings: those of `slr-accel train --help` by name; later than the recipe's.

    Returns:
        the run's folder, which `load` and `evaluate` take.

    Raises:
        ValueError: settings or corpus are wrong; says everything that is.
        RunError: the run stopped, because of a signal or of --on_collapse stop.
    """
    from slr_accel.errors import RunError
    from slr_accel.settings.command_line import parse_settings
    from slr_accel.train import train as train_run
    from slr_accel.training.by_corpus import values_by_corpus
    from slr_accel.training.sweep import TrialStart

    given = {"data_dir": data_dir, "output_dir": output_dir, "recipe": recipe, **settings}
    words = [f"--{name}={_word(value)}" for name, value in given.items() if value is not None]
    with TrialStart() as start:
        code = train_run(parse_settings(words, "slr_accel.train", values_by_corpus), start)
    if code:
        raise RunError(f"{output_dir}: the run stopped (exit code {code}); the same call continues")
    return Path(output_dir)


def _word(value: Any) -> str:
    """A setting's value as the command line has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def evaluate(
    source: str | Path,
    *,
    split: str | None = None,
    data_dir: str | Path | None = None,
    checkpoint: str = "best",
    batch_size: int = 16,
) -> dict[str, Any]:
    """Scores a trained model on a split, without writing anything.

    Args:
        source: a run folder; or a model folder or hf://OWNER/NAME, which need `data_dir`.
        split: by default dev, or the only split of the corpus.
        data_dir: a corpus; by default the one trained on.
        checkpoint: `best`, `last` or a checkpoint folder of the run.
        batch_size: sequences in a batch at most.

    Returns:
        what `slr-accel evaluate` writes to `eval/<split>.json`: `wer` (a fraction),
        `substitutions`, `deletions`, `insertions`, `reference_tokens`, `wer_ci95`, ...

    Raises:
        ValueError: there is no such model, corpus or split, or the two do not fit.
    """
    from slr_accel.runs.opened import open_run
    from slr_accel.scoring.references import evaluation_rows
    from slr_accel.scoring.scored import result, score_transcript

    with open_run(
        str(source),
        split=split,
        data_dir=None if data_dir is None else str(data_dir),
        checkpoint=checkpoint,
        batch_size=batch_size,
    ) as opened:
        rows = evaluation_rows(opened.corpus, opened.split)
        transcript = opened.transcribe(rows)
        scored = score_transcript(opened.corpus, rows, opened.vocabulary, transcript)
        return result(
            scored,
            split=opened.split,
            decoder=opened.decoding.decoder,
            checkpoint=str(opened.checkpoint),
            data_dir=opened.corpus.address,
        )


def score(
    references: Sequence[str | Sequence[str]],
    hypotheses: Sequence[str | Sequence[str]],
    *,
    protocol: str = "plain",
) -> dict[str, Any]:
    """Scores sentences of any recogniser with sclite's alignment.

    Args:
        references, hypotheses: sentences in one order, as texts with spaces or lists of glosses.
        protocol: one of those of `slr-accel score --protocol`.

    Returns:
        `wer` (a fraction), `substitutions`, `deletions`, `insertions`, `correct`,
        `reference_tokens`, `num_sequences`, `length_ratio` and `wer_ci95` (None of one sentence).

    Raises:
        ValueError: there are not equally many, or no such protocol.
    """
    from slr_accel.scoring.bootstrap import wer_ci95
    from slr_accel.scoring.protocols import PROTOCOLS, prepared_hypotheses, prepared_references
    from slr_accel.scoring.scored import count_errors, scored_sequences

    if any(isinstance(given, str | Mapping) for given in (references, hypotheses)):
        raise ValueError("references and hypotheses are lists of sentences, in one order")
    if not references and not hypotheses:
        raise ValueError("there is no sentence to score")
    if len(references) != len(hypotheses):
        raise ValueError(
            f"there are {len(references)} references and {len(hypotheses)} hypotheses; give one "
            "hypothesis, which may be empty, for each reference"
        )
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol {protocol!r}; known: {', '.join(PROTOCOLS)}")
    ids = [str(number) for number in range(len(references))]
    sequences = scored_sequences(
        ids,
        ids,
        prepared_references(protocol, [_words(sentence) for sentence in references]),
        prepared_hypotheses(protocol, [_words(sentence) for sentence in hypotheses]),
    )
    interval = wer_ci95([sequence.counts for sequence in sequences])
    return {
        **count_errors(sequences),
        "wer_ci95": None if interval is None else list(interval),
    }


def _words(sentence: str | Sequence[str]) -> list[str]:
    return sentence.split() if isinstance(sentence, str) else list(sentence)
