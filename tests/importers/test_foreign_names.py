"""Files and folders whose names are in another encoding than UTF-8: no work is lost over them."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from manifest_helpers import array, row
from prepare_helpers import built, index_of
from test_build import listing, sequence

from slr_accel.importers.build import build_corpus
from slr_accel.importers.machine_parts import Part
from slr_accel.importers.manifest import list_manifest
from slr_accel.importers.merge import list_parts
from slr_accel.progress import untracked

FOREIGN = os.fsdecode("Müller".encode("latin-1"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An index in a folder and with a name in Latin 1; its second array is missing."""
    folder = tmp_path / FOREIGN
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    np.save(folder / "s0.npy", array())
    return index_of(folder, row(0), row(1)).rename(folder / f"{FOREIGN}.jsonl")


def test_a_source_with_a_foreign_name_is_read_and_its_notes_name_it(source, tmp_path):
    corpus = built(list_manifest(source), tmp_path / "corpus", allow_skips=True)
    (skipped,) = corpus.info.source["skipped"]
    assert skipped.startswith(f"{source}:2: s1: ")
    command = ["sha256sum", "--check", str(tmp_path / "corpus" / "source.sha256")]
    checked = subprocess.run(command, cwd=source.parent, capture_output=True, check=True)
    assert checked.stdout.count(b": OK") == 2


def test_its_parts_merge(source, tmp_path):
    whole = built(list_manifest(source), tmp_path / "whole", allow_skips=True)
    for index in range(2):
        build_corpus(
            list_manifest(source),
            tmp_path / "out",
            part=Part(index, 2),
            allow_skips=True,
            track=untracked,
        )
    merged = built(list_parts(tmp_path / "out"), tmp_path / "out")
    assert merged.info == whole.info
    for path in whole.folder.iterdir():
        assert (merged.folder / path.name).read_bytes() == path.read_bytes()


def test_an_out_with_a_foreign_name_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ValueError, match="not UTF-8 text; choose another --out"):
        build_corpus(listing(sequence(0)), tmp_path / FOREIGN, track=untracked)


def test_an_id_with_a_foreign_name_is_refused_before_slow_work(tmp_path):
    def fetch(items: object, track: object) -> None:
        raise AssertionError("slow work has begun")

    found = replace(listing(sequence(0), sequence(1, id=FOREIGN)), fetch=fetch)
    with pytest.raises(ValueError, match=r"list:1: id .* is not UTF-8 text; rename it"):
        build_corpus(found, tmp_path / "out", track=untracked)
