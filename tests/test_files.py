"""What cannot be written is told with the name of what was to be written."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from run_helpers import tiny_sequences, write_tiny

from slr_accel.files import replaced, write_whole
from slr_accel.models.folder import save_tensors

WRITERS: dict[str, Callable[[Path], object]] = {
    "corpus": lambda path: write_tiny(path, tiny_sequences(40)),
    "config.yaml": lambda path: write_whole(path, "x" * 9000),
    "a.safetensors": lambda path: save_tensors({"x": torch.zeros(9000)}, path),
}


def test_of_two_that_write_a_file_at_once_the_last_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    with replaced(path) as second:
        second.write_text("half of the sec")
        write_whole(path, "first")
        assert path.read_text() == "first"
        second.write_text("second")
    assert path.read_text() == "second"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", WRITERS)
def test_a_limit_on_the_size_of_files_is_told_with_the_path(name: str, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(OSError, match=rf"File too large.*{name}|{name}.*File too large"):
            WRITERS[name](tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
