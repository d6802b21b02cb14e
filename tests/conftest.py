"""What tests of several packages share."""

from pathlib import Path

import pytest
from run_helpers import TINY_LAYOUT, TrainCommand, tiny_sequences

from slr_accel.corpus.writer import write_corpus

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data beside the project; tests that use it are marked `real_data`."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data is not on this machine ({SHARED_DATA} is absent)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18 train and 6 dev sequences of four words."""
    out = tmp_path_factory.mktemp("corpora") / "tiny corpus"
    write_corpus(
        out,
        tiny_sequences(24),
        layout=TINY_LAYOUT,
        dtype="float32",
        frames_per_second=25.0,
        source={},
    )
    return out


@pytest.fixture(scope="session")
def train(tiny_corpus: Path) -> TrainCommand:
    return TrainCommand(tiny_corpus)
