"""What tests of training share."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_helpers import TrainCommand


@pytest.fixture(scope="session")
def plain_run(train: TrainCommand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run with the usual small settings; not to be changed."""
    run = tmp_path_factory.mktemp("runs") / "plain"
    train.run(run)
    return run
