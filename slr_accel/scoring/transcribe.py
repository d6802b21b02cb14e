"""Transcribes rows of a corpus with a model, on any number of processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from slr_accel.corpus.reader import Corpus
from slr_accel.ctc.beam import Scored
from slr_accel.ctc.decoders import Decoder, Hypothesis
from slr_accel.ctc.health import NUM_SUMS, Health, OutputMeans, hypothesis_health, output_sums
from slr_accel.ctc.loss import ctc_loss
from slr_accel.ctc.temperature import with_temperature
from slr_accel.errors import Interrupted
from slr_accel.loading.buffers import Buffers
from slr_accel.loading.loader import read_ahead
from slr_accel.loading.plan import evaluation_plan, evaluation_windows
from slr_accel.processes.tf32 import in_float32

FIELDS = 4
"""Token, start, end and confidence of one place in a hypothesis."""


@dataclass(frozen=True)
class Transcript:
    """Hypotheses in the order of the rows asked for; the same on every process."""

    hypotheses: list[Hypothesis]
    health: Health
    loss: float | None
    """CTC loss a token in nats over the rows that have targets; None where none has."""


@torch.no_grad()
def transcribe(
    accelerator: Any,
    model: nn.Module,
    corpus: Corpus,
    rows: np.ndarray,
    *,
    decoder: Decoder,
    temperature: float = 1.0,
    batch_size: int,
    batch_frames: int | None = None,
    max_frames: int | None = None,
    shard_window: int | None = None,
    buffers: Buffers | None = None,
    targets: dict[int, list[int]] | None = None,
    loss: Callable[..., Tensor] = ctc_loss,
    advance: Callable[[int], None] = lambda sequences: None,
    stops: Callable[[], bool] = lambda: False,
) -> Transcript:
    """Transcribes `rows`, each on exactly one process.

    Args:
        model: returns log-probabilities and lengths; is left in the mode it was in.
        decoder: of `ctc.decoders.make_decoder`.
        temperature: of the confidences, as in `ctc.temperature`.
        batch_size, batch_frames: limits of a batch, as in the plan.
        max_frames: longer sequences are subsampled in time to this length.
        shard_window: shards read together, as in the plan.
        buffers: memory of earlier batches to write into.
        targets: token ids by row, of the rows whose loss is wanted; each must be alignable.
        loss: takes what `ctc_loss` takes.
        advance: called with the number of sequences done on this process.
        stops: asked before every batch, as often on every process; must answer alike on all.

    Raises:
        Interrupted: `stops` said so.
    """
    was_training = model.training
    model.eval()
    shards = corpus.rows.shard[rows]
    plan = evaluation_plan(
        corpus.rows.frames[rows],
        batch_size=batch_size,
        batch_frames=batch_frames,
        shards=shards,
        shard_window=shard_window,
    )
    own = plan[accelerator.process_index :: accelerator.num_processes]
    batches = read_ahead(
        corpus,
        (rows[positions] for positions in own),
        targets or {},
        max_frames,
        windows=evaluation_windows(shards, shard_window),
        buffers=buffers,
        pin=accelerator.device.type == "cuda",
    )
    found: dict[int, Hypothesis] = {}
    emitted = [0.0] * NUM_SUMS
    loss_sum, tokens = 0.0, 0
    try:
        for turn in range(-(-len(plan) // accelerator.num_processes)):
            if stops():
                raise Interrupted
            if turn == len(own):  # the last batches do not go round
                break
            positions, batch = own[turn], next(batches).to(accelerator.device)
            with in_float32():
                output = model(batch.features, batch.presence, batch.lengths)
            decoded = decoder(output.log_probs, output.lengths)
            decoded = with_temperature(decoded, output.log_probs, temperature)
            found.update(zip(positions.tolist(), decoded, strict=True))
            own_sums = output_sums(output.log_probs, output.lengths).tolist()
            emitted = [total + own for total, own in zip(emitted, own_sums, strict=True)]
            known = batch.target_lengths > 0
            if known.any():
                loss_sum += loss(
                    output.log_probs[known],
                    output.lengths[known],
                    batch.targets[known],
                    batch.target_lengths[known],
                ).item()
                tokens += int(batch.target_lengths.sum())
            advance(len(positions))
    finally:
        batches.close()
        model.train(was_training)
        corpus.let_go()  # before others are waited for, who may need the room
    hypotheses = _merge(accelerator, found, len(rows))
    sums = torch.tensor([*emitted, loss_sum, tokens], device=accelerator.device)
    *emitted, loss_sum, tokens = accelerator.reduce(sums, reduction="sum").tolist()
    outputs = OutputMeans.of(emitted)
    health = hypothesis_health([h.tokens for h in hypotheses], outputs)
    return Transcript(hypotheses, health, loss_sum / tokens if targets else None)


def _merge(accelerator: Any, found: dict[int, Hypothesis], num_rows: int) -> list[Hypothesis]:
    """All processes' hypotheses in one sum of fixed size: each row is not 0 on one of them only."""
    if accelerator.num_processes == 1:
        return [found[row] for row in range(num_rows)]
    longest = torch.tensor([max((len(h.tokens) for h in found.values()), default=0)])
    gathered = accelerator.gather(longest.to(accelerator.device))
    # float32 holds token ids and steps exactly, up to 2**24.
    merged = torch.zeros(num_rows, int(gathered.max()), FIELDS)
    for row, h in found.items():
        fields = [h.tokens, h.start, h.end, h.confidence]
        merged[row, : len(h.tokens)] = torch.tensor(fields, dtype=torch.float32).T
    merged = accelerator.reduce(merged.to(accelerator.device), reduction="sum").cpu()
    n_best = _merge_n_best(accelerator, found, num_rows)
    return [_unpack(fields, own) for fields, own in zip(merged, n_best, strict=True)]


def _merge_n_best(
    accelerator: Any, found: dict[int, Hypothesis], num_rows: int
) -> list[list[Scored]]:
    """As `_merge`, for the n-best lists: before the tokens stand 1, the score and the log_prob.
    What greedy decoding says stands before each list."""
    listed = {row: [Scored(h.greedy, 0.0, 0.0), *h.n_best] for row, h in found.items() if h.n_best}
    lists = list(listed.values())
    sizes = torch.tensor(
        [
            max(map(len, lists), default=0),
            max((len(scored.tokens) for own in lists for scored in own), default=0),
        ]
    )
    gathered = accelerator.gather(sizes[None].to(accelerator.device))
    most, longest = gathered.max(dim=0).values.tolist()
    merged = torch.zeros(num_rows, most, 3 + longest, dtype=torch.float64)
    for row, own in listed.items():
        for place, scored in enumerate(own):
            fields = [1.0, scored.score, scored.log_prob, *scored.tokens]
            merged[row, place, : len(fields)] = torch.tensor(fields, dtype=torch.float64)
    merged = accelerator.reduce(merged.to(accelerator.device), reduction="sum").cpu()
    return [
        [
            Scored([int(token) for token in tokens if token], score, log_prob)
            for there, score, log_prob, *tokens in own
            if there
        ]
        for own in merged.tolist()
    ]


def _unpack(fields: torch.Tensor, listed: list[Scored]) -> Hypothesis:
    fields = fields[fields[:, 0] > 0]  # a token is never 0, the blank
    tokens, start, end = (column.long().tolist() for column in fields.T[:3])
    greedy = listed[0].tokens if listed else []
    return Hypothesis(tokens, start, end, fields[:, 3].tolist(), listed[1:], greedy)
