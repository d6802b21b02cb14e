"""What a batch looks like, in a few lines: wrong data is seen before it is trained on."""

from __future__ import annotations

from typing import Any

from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.vocabulary import Vocabulary
from slr_accel.features.frames import frame_mask
from slr_accel.loading.batch import Batch


def describe_batch(batch: Batch, corpus: Corpus, vocabulary: Vocabulary) -> str:
    """Shape, lengths, range and presence of each block, and the first sequence's targets."""
    size, frames, columns = batch.features.shape
    inside = frame_mask(batch.lengths, frames)
    lines = [
        f"first batch: {size} sequences x {frames} frames x {columns} {batch.features.dtype}, "
        f"lengths {batch.lengths.tolist()}, padding {1 - inside.float().mean():.0%}"
    ]
    for index, block in enumerate(corpus.layout.blocks):
        present = batch.presence[..., index] & inside
        share = present.sum() / inside.sum()
        text = f"  {block.name}: present in {share:.0%} of frames"
        if present.any():
            values = batch.features[..., corpus.layout.slices[block.name]][present].float()
            text += f", values {values.min():.4g} to {values.max():.4g}, mean {values.mean():.4g}"
        lines.append(text)
    targets = batch.targets[0, : batch.target_lengths[0]].tolist()
    name = corpus.rows.id(int(batch.rows[0]))
    lines.append(f"  {name}: {' '.join(vocabulary.decode(targets))}  (ids {targets})")
    return "\n".join(lines)


def describe_validation(epoch: int, step: int, figures: dict[str, Any], *, is_best: bool) -> str:
    """One line of a validation's figures; `epoch` is the one it is in, counted from 1."""
    raw = f"  raw weights {figures['wer_raw']:.2%}" if "wer_raw" in figures else ""
    spelling = f"  CER {figures['cer']:.2%}" if "cer" in figures else ""
    return (
        f"epoch {epoch}  step {step}  WER {figures['wer']:.2%}{' (best)' if is_best else ''}{raw}"
        f"{spelling}  blank frames {figures['blank_share']:.0%}"
        f"  empty {figures['empty_share']:.0%}  distinct tokens {figures['distinct_tokens']}"
    )
