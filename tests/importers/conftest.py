"""Arrays to make a corpus of."""

from pathlib import Path

import numpy as np
import pytest
from manifest_helpers import array


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Holds s0.npy to s2.npy, [6, 5]."""
    for i in range(3):
        np.save(tmp_path / f"s{i}.npy", array(seed=i))
    return tmp_path


@pytest.fixture
def cases(shared_data: Path) -> Path:
    """Small inputs of the kinds that people report in public; tests of them are `real_data`."""
    return shared_data.parent / "cases"
