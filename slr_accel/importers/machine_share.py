"""Which share of a listing one of several machines reads, and where its part of the corpus lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """Which share of a listing this machine reads: number `index` of `count`, from 0."""

    index: int
    count: int

    @staticmethod
    def parse(text: str) -> Share:
        """From `i/n`. ValueError where it is none."""
        index, _, count = text.partition("/")
        if index.isdecimal() and count.isdecimal() and int(index) < int(count):
            return Share(int(index), int(count))
        raise ValueError(f"--shard is {text!r}; give i/n with 0 <= i < n, e.g. 0/4 to 3/4")

    def of(self, items: list[T]) -> list[T]:
        """Consecutive ones: joined in the order of the parts, they stand as in the listing."""
        count = len(items)
        own = items[count * self.index // self.count : count * (self.index + 1) // self.count]
        if not own:
            raise ValueError(f"{count} sequences cannot be shared by {self.count} machines")
        return own

    def folder(self, out: Path) -> Path:
        return parts_folder(out) / f"part-{self.index:05d}-of-{self.count:05d}"


def parts_folder(out: Path) -> Path:
    return out.with_name(f"{out.name}.parts")
