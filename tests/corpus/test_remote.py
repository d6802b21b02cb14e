"""A corpus at an address reads as the folder it was copied from, whatever the network does."""

from __future__ import annotations

import io
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fsspec.implementations.local import LocalFileSystem
from s3_helpers import BUCKET, S3, SLOW_SECONDS

from slr_accel.cli import main
from slr_accel.corpus import remote
from slr_accel.corpus.format import Shard
from slr_accel.corpus.reader import Corpus, _open_remote, open_corpus
from slr_accel.corpus.remote import RemoteFolder, without_secrets
from slr_accel.errors import FetchError

MB = 1e-3
"""In GB."""


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "FIRST_WAIT", 0.01)


@pytest.fixture
def address(s3: S3, sharded_corpus: Path) -> str:
    return s3.upload(sharded_corpus, "sharded")


def opened(address: str, folder: Path) -> Corpus:
    return open_corpus(address, cache_dir=str(folder / "cache"), cache_gb=MB)


def assert_same(corpus: Corpus, folder: Path) -> None:
    near = open_corpus(folder)
    assert corpus.info == near.info
    for row in range(len(near.rows)):
        assert corpus.rows.id(row) == near.rows.id(row)
        assert corpus.labels(row) == near.labels(row)
        np.testing.assert_array_equal(corpus.features(row), near.features(row))


def test_it_reads_as_the_folder_and_each_shard_is_fetched_once(
    s3: S3, address: str, sharded_corpus: Path, tmp_path: Path
) -> None:
    corpus = opened(address + "/", tmp_path)
    assert corpus.address == address
    assert s3.shard_gets() == {}
    assert_same(corpus, sharded_corpus)
    assert s3.shard_gets() == {shard.file: 1 for shard in corpus.info.shards}


@pytest.mark.parametrize("kind", ["slow", "reset", "500", "cut"])
def test_a_fault_that_passes_changes_nothing(
    s3: S3, address: str, sharded_corpus: Path, tmp_path: Path, kind: str
) -> None:
    met = []

    def fault(key: str, before: int) -> str | None:
        # The small files, and three of the shards.
        if before == 0 and not key.endswith(tuple("3456789.arrow")):
            met.append(key)
            return kind
        return None

    s3.fault = fault
    assert_same(opened(address, tmp_path), sharded_corpus)
    assert met
    assert SLOW_SECONDS < 15, "s3fs gives up reading after that"


@pytest.fixture
def fresh_s3fs() -> Iterator[None]:
    """Filesystems are kept with the environment in which they were made."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.usefixtures("fresh_s3fs")
@pytest.mark.parametrize("kind", ["reset", "500", "cut"])
def test_a_fault_that_stays_is_an_error_that_names_the_file(
    s3: S3, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(remote, "ATTEMPTS", 2)
    corpus = opened(address, tmp_path)
    s3.fault = lambda key, before: kind
    name = corpus.info.shards[0].file
    with pytest.raises(FetchError, match=rf"^{address}/{name}: cannot be fetched"):
        corpus.features(0)


def test_a_truncated_object_is_a_checksum_error_that_names_the_shard(
    s3: S3, sharded_corpus: Path, tmp_path: Path
) -> None:
    address = s3.upload(sharded_corpus, "truncated")
    corpus = opened(address, tmp_path)
    shard = corpus.info.shards[int(corpus.rows.shard[0])]
    content = (sharded_corpus / shard.file).read_bytes()
    s3.put(f"truncated/{shard.file}", content[:1000])
    with pytest.raises(FetchError) as error:
        corpus.features(0)
    assert f"{address}/{shard.file}" in str(error.value)
    assert f"1000 of {shard.bytes} bytes came, whose SHA-256 is not" in str(error.value)
    assert s3.shard_gets() == {shard.file: remote.ATTEMPTS}


@pytest.mark.parametrize("address", ["s3://no-such-bucket/x", f"s3://{BUCKET}/no-such-corpus"])
def test_what_is_not_there_is_told_at_once(s3: S3, tmp_path: Path, address: str) -> None:
    with pytest.raises(ValueError, match=rf"{address}: no corpus here \(corpus.json is missing\)"):
        opened(address, tmp_path)


@pytest.mark.usefixtures("fresh_s3fs")
def test_missing_credentials_are_told(s3: S3, address: str, tmp_path, monkeypatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(FetchError, match=r"access is denied .*check the credentials"):
        opened(address, tmp_path)


@pytest.mark.usefixtures("fresh_s3fs")
def test_a_server_that_is_not_there_is_told(s3: S3, tmp_path, monkeypatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(remote, "ATTEMPTS", 1)
    with pytest.raises(FetchError, match=rf"cannot be fetched .*{url}"):
        opened("s3://bucket/corpus", tmp_path)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.registry import _registry

    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)
    with pytest.raises(ValueError, match=r"clone, pip install .* '\.\[s3\]'"):
        open_corpus("s3://bucket/corpus")
    with pytest.raises(ValueError, match="nope://bucket: not an address"):
        open_corpus("nope://bucket")


@pytest.mark.parametrize(
    "address",
    ["github://x/y", "reference://x", "jupyter://x", "zip://a::/nofile.zip", "tar://x", "dir://x"],
)
def test_an_address_that_its_backend_cannot_use_is_told_by_name(address: str) -> None:
    with pytest.raises(ValueError, match=rf"^{address}: not an address that can be read \(\w+: "):
        open_corpus(address)


def test_a_server_that_refuses_at_once_is_told_by_name() -> None:
    with pytest.raises(
        FetchError, match=r"^ftp://127.0.0.1:1/x: the server does not answer \(Conn"
    ):
        open_corpus("ftp://me:secret@127.0.0.1:1/x")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@host/x?signature=secret", "https://host/x"),
        ("https://me:se@cret@host:8/x/y/", "https://host:8/x/y/"),
        ("zip://a::https://me:secret@host/x.zip", "zip://a::https://host/x.zip"),
        (
            "(Cannot reach 'http://me:secret@host/x?secret=1', url)",
            "(Cannot reach 'http://host/x', url)",
        ),
        ("s3://bucket/corpus@2", "s3://bucket/corpus@2"),
        ("abfs://data@account.net/x", "abfs://data@account.net/x"),
        ("me@host: why?", "me@host: why?"),
    ],
)
def test_what_opens_an_address_is_taken_out_of_what_is_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_an_address_is_shown_without_its_password_and_kept_with_it(
    sharded_corpus: Path, tmp_path: Path
) -> None:
    full = "far://me:secret@host/corpus?token=secret"
    source = RemoteFolder(full, LocalFileSystem(), str(sharded_corpus))
    corpus = _open_remote(source, str(tmp_path), MB)
    assert (corpus.address, corpus.absolute_address) == ("far://host/corpus", full)
    with pytest.raises(ValueError, match=r"^far://host/corpus: no corpus here"):
        source.read("absent")


def test_no_error_shows_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(remote, "ATTEMPTS", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(FetchError, match=rf"^http://{host}/x/corpus.json: ") as error:
        opened(f"http://me:secret@{host}/x?token=secret", tmp_path)
    assert "secret" not in str(error.value)


def test_file_addresses_are_read_where_they_are(sharded_corpus: Path, tmp_path: Path) -> None:
    corpus = open_corpus(f"file://{sharded_corpus}", cache_dir=str(tmp_path / "cache"))
    assert not corpus.is_remote
    assert_same(corpus, sharded_corpus)
    assert not (tmp_path / "cache").exists()


def test_shard_names_must_not_lead_out_of_the_cache(
    s3: S3, sharded_corpus: Path, tmp_path: Path
) -> None:
    address = s3.upload(sharded_corpus, "crafted")
    info = json.loads((sharded_corpus / "corpus.json").read_text(encoding="utf-8"))
    info["shards"][0]["file"] = "../../x"
    s3.put("crafted/corpus.json", json.dumps(info).encode())
    with pytest.raises(ValueError, match=r"crafted/corpus.json: damaged .*file is '../../x'"):
        opened(address, tmp_path)


def test_a_cache_folder_that_cannot_be_made_is_told(address: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ValueError, match="give another --cache_dir"):
        open_corpus(address, cache_dir=str(tmp_path / "file"))


def test_inspect_walks_through_a_corpus_larger_than_the_cache(
    s3: S3, address: str, sharded_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    info = open_corpus(sharded_corpus).info
    gigabytes = 1.5e-9 * max(shard.bytes for shard in info.shards)
    options = ["--json", f"--cache_dir={tmp_path}", f"--cache_gb={gigabytes}"]
    found = []
    for words in ([str(sharded_corpus)], [address, *options]):
        with pytest.raises(SystemExit):
            main(["inspect", "--json", *words])
        found.append(json.loads(capsys.readouterr().out))
    near, far = found
    assert far.pop("corpus") == address and near.pop("corpus")
    assert far == near
    assert s3.shard_gets() == {shard.file: 1 for shard in info.shards}


def test_inspect_says_which_shard_the_cache_has_no_room_for(
    s3: S3, address: str, sharded_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = open_corpus(sharded_corpus).info.shards[0]
    with pytest.raises(SystemExit):
        main(["inspect", address, f"--cache_dir={tmp_path}", f"--cache_gb={0.9e-9 * first.bytes}"])
    assert f"{address}/{first.file} takes" in capsys.readouterr().err
    assert s3.shard_gets() == {}


@pytest.mark.parametrize("cache_gb", [-1.0, 0.0, float("nan"), float("inf")])
def test_a_cache_size_that_is_none_is_refused(
    address: str, tmp_path: Path, cache_gb: float
) -> None:
    with pytest.raises(ValueError, match=rf"cache_gb is {cache_gb:g}; give a number of gigabytes"):
        open_corpus(address, cache_dir=str(tmp_path), cache_gb=cache_gb)


class Endless(LocalFileSystem):
    """Every file goes on for ever; `given` counts the bytes that were read."""

    given = 0

    def open(self, *args: object, **options: object) -> io.RawIOBase:
        filesystem = self

        class Source(io.RawIOBase):
            def read(self, size: int = -1) -> bytes:
                filesystem.given += size
                return bytes(size)

        return Source()


def test_a_download_ends_where_more_comes_than_was_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "CHUNK_BYTES", 100)
    filesystem = Endless(skip_instance_cache=True)
    source = RemoteFolder("far://corpus", filesystem, "/")
    with pytest.raises(FetchError, match=r"far://corpus/a.arrow: .*more than the 250 bytes came"):
        shard = Shard(file="a.arrow", sequences=1, bytes=250, sha256="0")
        source.download(shard, tmp_path / "a.arrow")
    assert filesystem.given == remote.ATTEMPTS * 300
    assert (tmp_path / "a.arrow").stat().st_size <= 250
