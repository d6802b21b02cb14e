"""Reads what wandb wrote offline: the .wandb file, protobuf records in LevelDB's log format."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

HEADER, BLOCK = 7, 32768
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def wandb_records(folder: Path) -> list[Any]:
    """Records of one offline-run folder."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.glob("*.wandb")
    data = path.read_bytes()
    position, parts, records = HEADER, [], []
    while position + HEADER <= len(data):
        left = BLOCK - position % BLOCK
        if left < HEADER:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + HEADER])
        parts.append(data[position + HEADER : position + HEADER + length])
        position += HEADER + length
        if kind in (FULL, LAST):
            records.append(Record.FromString(b"".join(parts)))
            parts = []
    return records


def summary(records: list[Any]) -> dict[str, Any]:
    """The run's summary as its updates left it; nested keys are joined by dots."""
    found = {}
    for record in records:
        if record.WhichOneof("record_type") == "summary":
            for item in record.summary.update:
                found[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
    return found


def offline_runs(folder: Path) -> list[Path]:
    """In the order in which they were started."""
    return sorted((folder / "wandb").glob("offline-run-*"))
