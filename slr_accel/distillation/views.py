"""Lets a teacher read rows of a corpus and speak in the student's vocabulary, or says why not."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from slr_accel.labels.vocabulary import BLANK, Vocabulary
from slr_accel.layouts.layout import Layout

MOST_NAMED = 20


@dataclass(frozen=True)
class View:
    """Which of a corpus' columns and blocks a teacher reads, in its own order."""

    columns: Tensor
    """[columns of the teacher's layout] int64."""
    blocks: Tensor
    """[blocks of the teacher's layout] int64."""


def view_of(teacher: Layout, corpus: Layout) -> View | None:
    """How the rows of a corpus become those of the teacher's layout; None where they are.

    Raises:
        ValueError: the corpus lacks some of the teacher's points or axes; names them.
    """
    if teacher.blocks == corpus.blocks:
        return None
    points = [
        (block, f"{block.name}.{point}") for block in teacher.blocks for point in block.points
    ]
    missing = [name for block, name in points if not corpus.has_point(name, block.axes)]
    if missing:
        raise ValueError(
            f"it reads the layout ({teacher.signature}), but the corpus has ({corpus.signature}) "
            f"and lacks {_listed(missing)}"
        )
    columns = [corpus.point_columns(name, block.axes) for block, name in points]
    blocks = [corpus.block_index(block.name) for block in teacher.blocks]
    return View(torch.tensor(columns).flatten(), torch.tensor(blocks))


def outputs_by_gloss(teacher: Vocabulary, student: Vocabulary) -> Tensor | None:
    """The teacher's output for each of the student's: [V] int64; None where they are the same.

    What only the teacher knows is left out.

    Raises:
        ValueError: the teacher lacks some of the student's tokens; lists them.
    """
    if teacher.tokens == student.tokens:
        return None
    missing = [token for token in student.tokens if token not in teacher]
    if missing:
        more = [token for token in teacher.tokens if token not in student]
        raise ValueError(
            f"its vocabulary has {len(teacher.tokens)} tokens and lacks {len(missing)} of the "
            f"student's {len(student.tokens)}: {_listed(missing)}"
            + (f"; it alone has {_listed(more)}" if more else "")
            + (
                f" (label policy {teacher.label_policy} there, {student.label_policy} here)"
                if teacher.label_policy != student.label_policy
                else ""
            )
        )
    return torch.tensor([BLANK, *teacher.encode(student.tokens)])


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    return shown + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
