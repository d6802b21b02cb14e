"""Chooses the weights of a language model for `evaluate --tune`, and writes them into the run."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

from slr_accel.commands import transcripts
from slr_accel.commands.run_arguments import Stops
from slr_accel.runs.opened import OpenedRun
from slr_accel.runs.run_folder import RunFolder

SPLIT = "dev"
LEAST = 300
"""Sentences; weights chosen on fewer were worse on other sentences than the fixed ones."""
ALPHAS, BETAS = (0.2, 0.4, 0.6, 0.8), (0.5, 1.0, 1.5, 2.0)


def tuned(opened: OpenedRun, run: str, stops: Stops) -> OpenedRun:
    """Returns the run with the weights of the lowest WER on dev, which a later start finds too.

    Every pair of weights takes a pass over dev. The split that is to be scored is not looked at.

    Raises:
        ValueError: there is no language model, no run to write into, dev is what is to be scored,
            it is too small, or several runs decode together.
    """
    from slr_accel.scoring.references import evaluation_rows
    from slr_accel.scoring.scored import score_transcript

    folder, corpus = RunFolder(Path(run)), opened.corpus
    if opened.decoding.language_model is None:
        raise ValueError("--tune chooses the weights of a --language_model: give one")
    if not folder.exists:
        raise ValueError(f"{run}: is no run that --tune could write its choice into")
    if opened.averaged_with:
        raise ValueError("--tune chooses the weights of one run; leave out the others")
    if opened.split == SPLIT:
        raise ValueError(
            f"--tune chooses on {SPLIT}, which must not be what is scored: give another --split"
        )
    if SPLIT not in corpus.rows.split_names:
        raise ValueError(f"--tune chooses on {SPLIT}, which {corpus.address} does not have")
    rows = evaluation_rows(corpus, SPLIT)
    if len(rows) < LEAST:
        raise ValueError(
            f"{SPLIT} has {len(rows)} sentences, and --tune needs {LEAST}: weights chosen on fewer "
            "fit these alone, and train is no substitute, since the model has learned it; keep the "
            "fixed ones"
        )
    errors = {}
    # Of equals the first is taken, which are the weights nearest to those that were given.
    given = opened.decoding
    pairs = sorted(
        product(ALPHAS, BETAS),
        key=lambda pair: abs(pair[0] - given.alpha) + abs(pair[1] - given.beta),
    )
    for alpha, beta in pairs:
        decoding = given.model_copy(update={"alpha": alpha, "beta": beta})
        found = transcripts.transcribe(replace(opened, decoding=decoding), rows, stops)
        scored = score_transcript(corpus, rows, opened.vocabulary, found)
        errors[decoding] = scored.errors
    chosen = min(errors, key=lambda decoding: errors[decoding])
    if opened.is_main:
        folder.write_decoding(chosen.model_dump())
        transcripts.note(
            f"alpha {chosen.alpha:g} and beta {chosen.beta:g} have the fewest errors on {SPLIT} "
            f"({errors[chosen]}; the worst pair has {max(errors.values())}), and are the run's "
            "from now on"
        )
    return replace(opened, decoding=chosen)
