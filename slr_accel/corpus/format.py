"""What a corpus folder holds: file names, the schema of a shard, and corpus.json.

    corpus.json        format version, layout, dtype, frame rate, splits, shards, labels, source
    rows.arrow         one small row a sequence: where it lies, its length, split, signer, labels
    source.sha256      checksums of the files the corpus was made from, as sha256sum writes them
    train-00000.arrow  shards, Arrow streams that `datasets.Dataset.from_file` opens

The shards are the only large files. Planning and vocabulary need the other two alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from slr_accel.layouts.layout import Layout

FORMAT = "slr_accel corpus"
FORMAT_VERSION = 1
CORPUS_FILE = "corpus.json"
ROWS_FILE = "rows.arrow"
CHECKSUMS_FILE = "source.sha256"
DTYPES = ("uint8", "float16", "float32")
MOST = 2**63
"""No count reaches it, and numbers below it are safe to compute with."""


@dataclass(frozen=True)
class Shard:
    file: str
    sequences: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class CorpusInfo:
    """The content of corpus.json."""

    layout: Layout
    dtype: str
    frames_per_second: float | None
    """None where the source does not say."""
    splits: dict[str, dict[str, int]]
    """{split: {"sequences": n, "frames": n}}"""
    shards: tuple[Shard, ...]
    labels: tuple[str, ...]
    """Every raw label once, sorted; rows.arrow holds numbers into it."""
    rows_sha256: str | None = None
    """Of rows.arrow; None in a corpus prepared before it was kept."""
    source: dict[str, Any] = field(default_factory=dict)
    """Importer, versions, options, and what was skipped."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the content of the corpus does."""
        content: list[Any] = [self.layout.to_json(), self.dtype, self.frames_per_second]
        content += [[shard.file, shard.sha256] for shard in self.shards]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "fingerprint": self.fingerprint,
            "layout": self.layout.to_json(),
            "dtype": self.dtype,
            "frames_per_second": self.frames_per_second,
            "splits": self.splits,
            "shards": [asdict(shard) for shard in self.shards],
            "labels": list(self.labels),
            "rows_sha256": self.rows_sha256,
            "source": self.source,
        }


def read_corpus_info(folder: Path) -> CorpusInfo:
    """Reads and checks corpus.json, and that the shards are there. Raises ValueError naming the
    file and the way out."""
    path = folder / CORPUS_FILE
    if not path.is_file():
        raise ValueError(
            f"{folder}: no corpus here ({CORPUS_FILE} is missing); "
            "make one with `slr-accel prepare`, or check the path"
        )
    info = parse_corpus_info(path.read_bytes(), path)
    for shard in info.shards:
        _check_shard_file(folder, shard)
    return info


def parse_corpus_info(content: bytes, path: Path | str) -> CorpusInfo:
    """What corpus.json says. Raises ValueError naming `path`, where it was read."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not readable as JSON ({error}); prepare it anew") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"{path}: not the {CORPUS_FILE} of a {FORMAT}")
    if data.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{path}: format version {data.get('format_version')}, but this slr_accel reads "
            f"version {FORMAT_VERSION}; prepare the corpus anew with this version"
        )
    try:
        info = CorpusInfo(
            layout=Layout.from_json(data["layout"]),
            dtype=data["dtype"],
            frames_per_second=data["frames_per_second"],
            splits=data["splits"],
            shards=tuple(Shard(**shard) for shard in data["shards"]),
            labels=tuple(data["labels"]),
            rows_sha256=data.get("rows_sha256"),
            source=data.get("source", {}),
        )
        _check_types(info)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: damaged ({error}); prepare the corpus anew") from None
    return info


def _check_types(info: CorpusInfo) -> None:
    if info.dtype not in DTYPES:
        raise ValueError(f"dtype {info.dtype!r}; known: {', '.join(DTYPES)}")
    fps = info.frames_per_second
    if fps is not None and not (isinstance(fps, int | float) and 0 < fps < MOST):
        raise ValueError(f"frames_per_second {fps!r}")
    for shard in info.shards:
        # A name from the file must not lead out of the folder.
        name = shard.file
        if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
            raise ValueError(f"shard name {shard.file!r} is not a plain name")
        if not (_is_count(shard.sequences) and _is_count(shard.bytes)):
            raise ValueError(f"the counts of shard {shard.file!r}")
        if not isinstance(shard.sha256, str):
            raise ValueError(f"the sha256 of shard {shard.file!r} is not a text")
    if not all(isinstance(label, str) for label in info.labels):
        raise ValueError("labels are not texts")
    if not isinstance(info.rows_sha256, str | None):
        raise ValueError("rows_sha256 is not a text")
    for name, counts in info.splits.items():
        if not all(_is_count(counts[key]) for key in ("sequences", "frames")):
            raise ValueError(f"the counts of split {name!r}")
    _check_source(info.source)


def _check_source(source: Any) -> None:
    """Of what is kept there, that which is read again."""
    if not isinstance(source, dict):
        raise ValueError("source is not an object")
    skipped = source.get("skipped", [])
    if not isinstance(skipped, list) or not all(isinstance(text, str) for text in skipped):
        raise ValueError("source.skipped is not a list of texts")
    if not isinstance(source.get("missing", {}), dict):
        raise ValueError("source.missing is not an object")
    part = source.get("part")
    if "part" in source and not (
        isinstance(part, dict)
        and _is_count(part.get("index"))
        and _is_count(part.get("count"))
        and isinstance(part.get("listing"), str)
        and part.get("dtype") in (None, *DTYPES)
    ):
        raise ValueError("source.part is not that of a part")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < MOST


def _check_shard_file(folder: Path, shard: Shard) -> None:
    path = folder / shard.file
    if not path.is_file():
        raise ValueError(f"{path}: this shard is missing; copy it again or prepare anew")
    size = path.stat().st_size
    if size != shard.bytes:
        raise ValueError(
            f"{path}: {size} bytes, but {shard.bytes} were written; copy it again or prepare anew"
        )


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
