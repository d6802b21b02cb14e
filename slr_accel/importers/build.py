"""Makes a corpus on disk of a listing, or one part of it on one of many machines.

The first pass over the sequences checks all of them and chooses the dtype, the second one writes:
all problems are reported at once, before anything is written.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from slr_accel.corpus.format import CorpusInfo, sha256
from slr_accel.corpus.leakage import SHARED_RECORDINGS, SharedRecordings, explain_shared
from slr_accel.corpus.precision import DtypeChooser
from slr_accel.corpus.reader import open_corpus, open_part
from slr_accel.corpus.sequence import Sequence
from slr_accel.corpus.writer import write_corpus
from slr_accel.files import is_unicode
from slr_accel.importers.body_check import check_body
from slr_accel.importers.listing import Item, Listing, Problems
from slr_accel.importers.machine_parts import Part
from slr_accel.importers.tally import Tally
from slr_accel.layouts.layout import Layout
from slr_accel.new_folder import check_new_folder
from slr_accel.progress import Progress

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Invisible characters that control a terminal."""
LARGEST_DTYPE = "float32"
"""The dtype of parts: that of the corpus is chosen when they are merged."""


@dataclass(frozen=True)
class Built:
    info: CorpusInfo
    folder: Path
    skipped: list[str]
    """Sequences that could not be read, where --allow_skips was given."""
    notes: list[str]
    """What was found in the sequences, and need not be repaired."""
    preview: Path | None = None
    """The picture of the corpus, where the importer draws one."""


def build_corpus(
    listing: Listing,
    out: Path,
    *,
    part: Part | None = None,
    allow_skips: bool = False,
    allow_absent: Collection[str] = (),
    track: Progress,
) -> Built:
    """Reads a listing and writes the corpus `out`; with `part` this part of it, beside `out`.

    Args:
        allow_skips: leave out sequences that cannot be read, and list them.
        allow_absent: blocks that may be absent from every frame of every sequence.

    Raises:
        ValueError: lists all problems and their places; nothing is written.
    """
    check_new_folder(out)
    folder = part.folder(out) if part else out
    check_new_folder(folder)
    unread = Problems()
    items = part.select(listing.items) if part and listing.items else listing.items
    items = _check_ids(listing, items, unread if allow_skips else listing.problems)
    if not listing.items:
        listing.problems.raise_if_any()
        raise ValueError(f"{listing.root}: holds no sequences for `prepare {listing.importer}`")
    if listing.fetch:
        listing.problems.raise_if_any()
        listing.fetch(items, track)
    chooser, tally = DtypeChooser(listing.layout), listing.tally
    shared = SharedRecordings()
    if listing.dtype is None:
        counted = Tally(listing.layout, by_marker=listing.absence_by_marker)
        counts = [lambda s: chooser.add(s.features, s.presence), counted.add, shared.add]
        items = list(_readable(items, counts, unread, listing, track))
        tally = tally or counted
    # A part may be empty where other parts have readable sequences.
    if unread.messages and not (allow_skips and (items or part)):
        listing.problems.messages += unread.messages
        listing.problems.raise_if_any(
            "none can be read: nothing is left to write"
            if allow_skips
            else "--allow_skips leaves out what cannot be read"
        )
    if tally and items and not part:
        _check_tally(listing, tally, allow_absent)
    listing.problems.raise_if_any()
    info = write_corpus(
        folder,
        (item.read() for item in track(items, "writing", len(items))),
        layout=listing.layout,
        dtype=listing.dtype or (LARGEST_DTYPE if part else chooser.dtype()),
        frames_per_second=listing.frames_per_second,
        source=_provenance(listing, part, unread, tally, shared),
        checksums=listing.checksums or _checksums(listing, items, track),
    )
    return Built(
        info,
        folder,
        unread.messages,
        _notes(tally, shared) if not part else [],
        _draw(listing, folder, is_part=part is not None),
    )


def _draw(listing: Listing, folder: Path, *, is_part: bool) -> Path | None:
    """Draws the picture; None where the importer draws none, or it cannot be drawn."""
    if listing.preview is None:
        return None
    preview = folder.with_name(f"{folder.name}.preview.png")
    try:
        listing.preview(open_part(folder) if is_part else open_corpus(folder), preview)
    except (OSError, ValueError) as error:
        # The corpus is whole all the same.
        listing.notes.append(f"{preview} could not be drawn ({error})")
        return None
    return preview


def _notes(tally: Tally | None, shared: SharedRecordings) -> list[str]:
    leaking = explain_shared(shared.names())
    return [*(tally.notes() if tally else []), *([leaking] if leaking else [])]


def _check_tally(listing: Listing, tally: Tally, allow_absent: Collection[str]) -> None:
    unknown = [name for name in allow_absent if name not in listing.layout.slices]
    if unknown:
        raise ValueError(
            f"--allow_absent names {unknown[0]!r}; the blocks are "
            f"{', '.join(listing.layout.slices)}"
        )
    problem = tally.problem(allow_absent)
    if problem:
        listing.problems.add(str(listing.root), problem)


def _provenance(
    listing: Listing,
    part: Part | None,
    unread: Problems,
    tally: Tally | None,
    shared: SharedRecordings,
) -> dict[str, Any]:
    source = {
        "importer": listing.importer,
        "slr_accel": version("slr-accel"),
        "skipped": unread.messages,
        "notes": listing.notes,
        **listing.source,
    }
    if part:
        source["part"] = {
            "index": part.index,
            "count": part.count,
            "dtype": listing.dtype,
            "listing": _listing_digest(listing),
            "absence_by_marker": listing.absence_by_marker,
            "tally": tally.to_json() if tally else None,
        }
    elif tally:
        source["never_seen"] = tally.points_never_seen()
        source["frame_sizes"] = tally.to_json()["frame_sizes"]
        source[SHARED_RECORDINGS] = shared.names()
    return source


def _check_ids(listing: Listing, items: list[Item], repeats: Problems) -> list[Item]:
    """Returns the items, some of the listing's, without those whose id an earlier one has."""
    first: dict[str, Item] = {}
    for item in listing.items:
        if item.id in first:
            continue
        if any(character.isspace() for character in item.id):
            listing.problems.add(
                item.where, f"id {item.id!r} contains white space; CTM files cannot hold it"
            )
        elif not is_unicode(item.id):
            listing.problems.add(item.where, f"id {item.id!r} is not UTF-8 text; rename it")
        first[item.id] = item
    repeated = [item for item in items if first[item.id] is not item]
    for item in repeated:
        repeats.add(item.where, f"id {item.id!r} was used at {first[item.id].where}")
    return [item for item in items if first[item.id] is item] if repeated else items


def _readable(
    items: list[Item],
    counts: list[Callable[[Sequence], None]],
    unread: Problems,
    listing: Listing,
    track: Progress,
) -> Iterator[Item]:
    """Yields sound items, adds them to all counts, and what is wrong to `unread`."""
    for item in track(items, "checking", len(items)):
        try:
            sequence = item.read()
            check_values(sequence, listing.layout)
            check_body(sequence, listing.layout, by_marker=listing.absence_by_marker)
        except (ValueError, OSError) as error:
            unread.add(item.where, f"{item.id}: {error}")
            continue
        for count in counts:
            count(sequence)
        yield item


def check_values(sequence: Sequence, layout: Layout) -> None:
    """Raises ValueError where labels or frames are missing, or values or segments are wrong."""
    texts = [sequence.id, sequence.signer, sequence.text or "", *sequence.labels]
    texts += [segment.label for segment in sequence.segments]
    if not all(map(is_unicode, texts)):
        raise ValueError("its name or labels are not UTF-8 text; rename it")
    names = (sequence.id, sequence.signer, *sequence.labels)
    odd = [name for name in names if CONTROL.search(name)]
    if odd:
        raise ValueError(f"{odd[0]!r} holds a control character; write it without")
    frames = len(sequence.features)
    if frames == 0:
        raise ValueError("has no frames")
    if sequence.split == "train" and not sequence.labels:
        raise ValueError("has no `labels`, which a sequence of the train split needs")
    for name, columns in layout.slices.items():
        bad = ~np.isfinite(sequence.features[:, columns])
        if bad.any():
            frame, column = (int(i) for i in np.argwhere(bad)[0])
            raise ValueError(
                f"{int(bad.sum())} values are NaN or infinite, the first in frame {frame}, "
                f"block {name}, its column {column}; repair or leave out this sequence"
            )
    beyond = [s for s in sequence.segments if s.start >= s.end or s.end > frames]
    if beyond:
        raise ValueError(f"segment {list(beyond[0])} lies beyond the last of {frames} frames")


def _checksums(listing: Listing, items: list[Item], track: Progress) -> dict[str, str]:
    """{name from the listing's root: SHA-256} of every file the corpus is made from."""
    files = sorted({*listing.files, *(file for item in items for file in item.files)})
    return {
        _name(file, listing.root): sha256(file) for file in track(files, "checksums", len(files))
    }


def _name(file: Path, root: Path) -> str:
    return str(file.relative_to(root) if file.is_relative_to(root) else file)


def _listing_digest(listing: Listing) -> str:
    """A digest that is equal where two machines list the same source with the same options."""
    content = [
        listing.importer,
        listing.layout.to_json(),
        listing.frames_per_second,
        listing.dtype,
        listing.source,
        [item.id for item in listing.items],
        [sha256(file) for file in listing.files],
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
