"""Shows the output of a model over time for a few sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from slr_accel.corpus.reader import Corpus
from slr_accel.ctc.alignment import forced_alignment
from slr_accel.ctc.decoders import greedy_decode
from slr_accel.labels.policies import train_labels
from slr_accel.labels.vocabulary import BLANK, Vocabulary
from slr_accel.loading.loader import load_batch
from slr_accel.models.recogniser import Recogniser

MOST_STEPS = 120
MOST_TOKENS = 10


@torch.no_grad()
def output_over_time(
    model: Recogniser, vocabulary: Vocabulary, corpus: Corpus, row: int
) -> dict[str, Any]:
    """`shown_output` of a row that the model reads."""
    model.eval()
    batch = load_batch(corpus, np.array([row]), {}, model.max_frames).to(model.features.mean.device)
    output = model(batch.features, batch.presence, batch.lengths)
    log_probs = output.log_probs[0, : int(output.lengths[0])].float().cpu().numpy()
    return shown_output(vocabulary, corpus, row, log_probs)


def shown_output(
    vocabulary: Vocabulary,
    corpus: Corpus,
    row: int,
    log_probs: np.ndarray,
    most_steps: int = MOST_STEPS,
) -> dict[str, Any]:
    """The probabilities of the likeliest tokens of a row, step by step, as JSON has them.

    Args:
        log_probs: [T', V] of the row.

    Returns:
        `tokens` (names of the rows shown, blank first), `probabilities` [tokens, steps], `greedy`
        and `aligned` (for each step the place in `tokens`; `aligned` is None where the reference
        cannot be said), `steps` in all, of which the first `most_steps` are shown, and
        `blank_share`.
    """
    steps = len(log_probs)
    said = greedy_decode(torch.from_numpy(log_probs)[None], torch.tensor([steps]))[0].tokens
    wanted = train_labels(vocabulary.label_policy, corpus.labels(row))
    ids = vocabulary.encode(wanted) if all(token in vocabulary for token in wanted) else None
    aligned, aligned_score = None, None
    if ids is not None:
        try:
            aligned, aligned_score = forced_alignment(log_probs, ids)
        except ValueError:
            aligned = None  # fewer steps than the reference needs
    greedy = log_probs.argmax(axis=1)
    shown = _shown_tokens(log_probs, ids or [], said)
    place = {token: index for index, token in enumerate(shown)}
    probabilities = np.exp(log_probs[:most_steps][:, shown]).T
    return {
        "id": corpus.rows.id(row),
        "split": corpus.rows.split(row),
        "signer": corpus.rows.signer(row),
        "reference": wanted,
        "hypothesis": vocabulary.decode(said),
        "tokens": ["(blank)" if t == BLANK else vocabulary.decode([t])[0] for t in shown],
        "probabilities": probabilities.round(3).tolist(),
        "greedy": [place.get(int(token)) for token in greedy[:most_steps]],
        "aligned": None if aligned is None else [place.get(t) for t in aligned[:most_steps]],
        "aligned_probability": None
        if aligned_score is None
        else float(np.exp(aligned_score / steps)),
        "unknown_words": sorted({t for t in wanted if t not in vocabulary}),
        "steps": steps,
        "blank_share": float((greedy == BLANK).mean()),
    }


def _shown_tokens(log_probs: np.ndarray, reference: list[int], said: list[int]) -> list[int]:
    """Blank, what was said and signed in order of time, and the likeliest others."""
    likeliest = np.argsort(-log_probs.max(axis=0)).tolist()
    wanted = dict.fromkeys([BLANK, *reference, *said])
    return list(dict.fromkeys([*list(wanted)[: MOST_TOKENS + 4], *likeliest[:MOST_TOKENS]]))[
        : max(MOST_TOKENS, min(len(wanted), MOST_TOKENS + 4))
    ]
