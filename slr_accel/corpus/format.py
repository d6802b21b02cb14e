"""Describes the files of a corpus folder, and reads corpus.json.

    corpus.json        format version, layout, dtype, frame rate, splits, shards, labels, source
    rows.arrow         one small row a sequence: its place, length, split, signer and labels
    source.sha256      checksums of the files the corpus was made from, as sha256sum writes them
    train-00000.arrow  shards, Arrow streams that `datasets.Dataset.from_file` opens

Only the shards are large. Planning and vocabulary need corpus.json and rows.arrow alone.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from reprlib import repr as shortened
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    InstanceOf,
    StrictFloat,
    StrictInt,
    ValidationError,
)
from typing_extensions import TypedDict

from slr_accel.layouts.layout import Layout

FORMAT = "slr_accel corpus"
FORMAT_VERSION = 1
CORPUS_FILE = "corpus.json"
ROWS_FILE = "rows.arrow"
CHECKSUMS_FILE = "source.sha256"
Dtype = Literal["uint8", "float16", "float32"]
MOST_SHOWN = 3
"""Problems that an error lists."""
Count = Annotated[int, Field(strict=True, ge=0, lt=2**63)]


class Shard(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    # A name from the file must not lead out of the folder.
    file: Annotated[str, Field(pattern=r"^[\w-]+\.arrow$")]
    sequences: Count
    bytes: Count
    sha256: str


class SplitCounts(TypedDict):
    sequences: Count
    frames: Count


class _Part(BaseModel):
    index: Count
    count: Count
    listing: str
    dtype: Dtype | None


class _Source(BaseModel):
    """The provenance that is read again."""

    skipped: list[str] = []
    missing: dict[str, str] = {}
    never_seen: list[str] = []
    frame_sizes: dict[str, Count] = {}
    shared_recordings: list[str] = []
    part: _Part = None  # type: ignore[assignment]  # where it is not given; null is refused


def _checked_source(source: dict[str, Any]) -> dict[str, Any]:
    _Source.model_validate(source)
    return source


class CorpusInfo(BaseModel):
    """The content of corpus.json."""

    model_config = ConfigDict(frozen=True)

    layout: InstanceOf[Layout]
    dtype: Dtype
    frames_per_second: Annotated[StrictInt | StrictFloat, Field(gt=0, lt=2**63)] | None
    """None where the source does not say."""
    splits: dict[str, SplitCounts]
    shards: tuple[Shard, ...]
    labels: tuple[str, ...]
    """Every raw label once, sorted; rows.arrow holds numbers into it."""
    rows_sha256: str
    """The checksum of rows.arrow."""
    source: Annotated[dict[str, Any], AfterValidator(_checked_source)]
    """Importer, versions, options, and the sequences that were skipped."""

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
            **dict(self),
            "layout": self.layout.to_json(),
            "shards": [dict(shard) for shard in self.shards],
        }


def read_corpus_info(folder: Path) -> CorpusInfo:
    """Reads corpus.json and checks that the shards are there. Raises ValueError with the cure."""
    path = folder / CORPUS_FILE
    if not path.is_file():
        raise ValueError(
            f"{folder}: no corpus here ({CORPUS_FILE} is missing); "
            "make one with `slr-accel prepare`, or check the path"
        )
    info = parse_corpus_info(path.read_bytes(), path)
    for shard in info.shards:
        file = folder / shard.file
        if not file.is_file():
            raise ValueError(f"{file}: this shard is missing; copy it again or prepare anew")
        size = file.stat().st_size
        if size != shard.bytes:
            raise ValueError(
                f"{file}: {size} bytes, but {shard.bytes} were written; copy it again or prepare "
                "the corpus anew"
            )
    return info


def parse_corpus_info(content: bytes, path: Path | str) -> CorpusInfo:
    """Reads the content of corpus.json. Raises ValueError that names `path`, where it was read."""
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
        layout = Layout.from_json(data.get("layout"))
        return CorpusInfo.model_validate(data | {"layout": layout})
    except ValidationError as error:
        reason = "; ".join(
            f"{'.'.join(map(str, e['loc']))} is {shortened(e['input'])}: {e['msg']}"
            for e in error.errors()[:MOST_SHOWN]
        )
    except ValueError as error:
        reason = str(error)
    raise ValueError(f"{path}: damaged ({reason}); prepare the corpus anew")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
