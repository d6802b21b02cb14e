"""What tests of several packages share."""

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pickle_helpers import Payload
from run_helpers import TrainCommand, tiny_sequences, write_tiny
from s3_helpers import ENVIRONMENT, S3, s3_server

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data beside the project; tests that use it are marked `real_data`."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data is not on this machine ({SHARED_DATA} is absent)")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def no_accelerator_of_an_earlier_test() -> Iterator[None]:
    """accelerate remembers the first Accelerator of a process and refuses one that differs."""
    yield
    if "accelerate" in sys.modules:
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def payload(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Payload]:
    """Code that works when unpickled; the test fails if it ran."""
    marker = tmp_path_factory.mktemp("payload") / "code_ran"
    payload = Payload(marker)
    pickle.loads(payload.pickled)
    assert marker.exists(), "the payload itself must work, or this proves nothing"
    marker.unlink()
    yield payload
    assert not marker.exists()


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18 train and 6 dev sequences of four words."""
    return write_tiny(tmp_path_factory.mktemp("corpora") / "tiny corpus", tiny_sequences(24))


@pytest.fixture(scope="session")
def train(tiny_corpus: Path) -> TrainCommand:
    return TrainCommand(tiny_corpus)


@pytest.fixture(scope="session")
def sharded_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `tiny_corpus`, of 80 train and 26 dev sequences in shards of about eight."""
    out = tmp_path_factory.mktemp("corpora") / "sharded"
    return write_tiny(out, tiny_sequences(106), shard_bytes=2800)


@pytest.fixture(scope="session")
def s3_session() -> Iterator[S3]:
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    with s3_server() as s3:
        yield s3


@pytest.fixture
def s3(s3_session: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """A server that this process and those it starts reach at s3://; nothing was asked of it."""
    for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": s3_session.url}).items():
        monkeypatch.setenv(name, value)
    s3_session.fault = lambda key, before: None
    s3_session.shard_gets()
    return s3_session


@pytest.fixture(scope="session")
def plain_run(train: TrainCommand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run with the usual small settings; not to be changed."""
    run = tmp_path_factory.mktemp("runs") / "plain"
    train.run(run)
    return run
