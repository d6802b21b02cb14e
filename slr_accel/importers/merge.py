"""`slr-accel prepare merge`: joins the parts that several machines made to one corpus."""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path

from slr_accel.corpus.format import CHECKSUMS_FILE, CORPUS_FILE
from slr_accel.corpus.reader import Corpus, open_part
from slr_accel.importers.listing import Item, Listing
from slr_accel.importers.machine_parts import parts_folder
from slr_accel.importers.tally import Tally

DESCRIPTION = """\
Joins the parts that `slr-accel prepare NAME --out OUT --shard i/n` has made in OUT.parts. The
corpus is the same as one made without --shard. Remove the parts afterwards.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds none: --out names the parts, too."""


def list_sequences(args: argparse.Namespace) -> Listing:
    return list_parts(args.out)


def list_parts(out: Path) -> Listing:
    """Lists the sequences of all parts of `out`, in their order.

    Raises:
        ValueError: a part is missing, or parts were made from different sources.
    """
    folder = parts_folder(out)
    parts = [open_part(path.parent) for path in sorted(folder.glob(f"part-*/{CORPUS_FILE}"))]
    if not parts:
        raise ValueError(f"{folder}: no parts here; make them with `prepare NAME --shard i/n`")
    _check(parts, folder)
    first = parts[0].info
    return Listing(
        importer=first.source["importer"],
        layout=first.layout,
        frames_per_second=first.frames_per_second,
        items=[
            Item(part.rows.id(row), f"{part.folder.name}:{row}", partial(part.sequence, row))
            for part in parts
            for row in range(len(part.rows))
        ],
        source={key: value for key, value in first.source.items() if key != "part"}
        | {"skipped": [text for part in parts for text in part.info.source["skipped"]]},
        checksums={name: digest for part in parts for name, digest in _checksums(part).items()},
        root=folder,
        dtype=first.source["part"]["dtype"],
        absence_by_marker=first.source["part"]["absence_by_marker"],
        tally=_tally(parts),
    )


def _tally(parts: list[Corpus]) -> Tally | None:
    """What is never detected in any part; None where the parts have not counted it."""
    of_parts = parts[0].info.source["part"]
    tally = Tally(parts[0].layout, by_marker=of_parts["absence_by_marker"])
    for part in parts:
        recorded = part.info.source["part"]["tally"]
        if recorded is None:
            return None
        if len(part.rows):
            tally.add_part(recorded)
    return tally


def _check(parts: list[Corpus], folder: Path) -> None:
    found = [part.info.source["part"] for part in parts]
    count = found[0]["count"]
    if len({(part["count"], part["listing"]) for part in found}) > 1:
        raise ValueError(
            f"{folder}: its parts come from different sources, options or numbers of shards; "
            "remove them and make all of them anew"
        )
    missing = sorted(set(range(count)) - {part["index"] for part in found})
    if missing:
        raise ValueError(
            f"{folder}: {len(found)} of {count} parts are here; "
            f"missing: {', '.join(f'--shard {index}/{count}' for index in missing)}"
        )


def _checksums(part: Corpus) -> dict[str, str]:
    path = part.folder / CHECKSUMS_FILE
    if not path.is_file():
        return {}
    lines = os.fsdecode(path.read_bytes()).split("\n")[:-1]
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
