"""Divides a listing among machines, each of which makes a part of the corpus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """The part of a corpus that this machine makes: number `index` of `count`, from 0."""

    index: int
    count: int

    @staticmethod
    def parse(text: str) -> Part:
        """Reads `i/n`. Raises ValueError where it is something else."""
        index, _, count = text.partition("/")
        if index.isdecimal() and count.isdecimal() and int(index) < int(count):
            return Part(int(index), int(count))
        raise ValueError(f"--shard is {text!r}; give i/n with 0 <= i < n, e.g. 0/4 to 3/4")

    def select(self, items: list[T]) -> list[T]:
        """Selects consecutive items, so that the parts joined in order are the listing again."""
        count = len(items)
        own = items[count * self.index // self.count : count * (self.index + 1) // self.count]
        if not own:
            raise ValueError(
                f"{count} sequences cannot be divided among {self.count} machines; use fewer"
            )
        return own

    def folder(self, out: Path) -> Path:
        return parts_folder(out) / f"part-{self.index:05d}-of-{self.count:05d}"


def parts_folder(out: Path) -> Path:
    return out.with_name(f"{out.name}.parts")
