"""What is written is read back exactly and without a copy; what is damaged does not open."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slr_accel.corpus.format import FORMAT_VERSION, CorpusInfo, sha256
from slr_accel.corpus.reader import open_corpus
from slr_accel.corpus.sequence import Segment, Sequence
from slr_accel.corpus.writer import write_corpus
from slr_accel.layouts.layout import Block, Layout, generic_layout
from slr_accel.new_folder import new_folder

LAYOUT = Layout((Block("pose", ("nose", "neck"), ("x", "y")), Block("hand", ("wrist",), ("x",))))


def sequence(number: int, *, frames: int = 4, split: str = "train", **changes) -> Sequence:
    random = np.random.default_rng(number)
    features = random.integers(0, 200, (frames, LAYOUT.columns)).astype(np.float32)
    fields = {
        "id": f"s{number}",
        "split": split,
        "signer": f"signer{number % 2}",
        "features": features,
        "presence": random.random((frames, 2)) > 0.5,
        "labels": ["HELLO", f"WORD{number % 3}"],
        "segments": [Segment(0, 2, "HELLO")],
        "text": f"text {number}" if number % 2 else None,
    }
    return Sequence(**{**fields, **changes})


def write(out: Path, sequences: list[Sequence], *, dtype: str = "float32", **options) -> CorpusInfo:
    fixed = {"layout": LAYOUT, "frames_per_second": 25.0, "source": {"importer": "test"}}
    return write_corpus(out, sequences, dtype=dtype, **{**fixed, **options})


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    write(tmp_path / "corpus", [sequence(i, split=("train", "dev")[i % 2]) for i in range(6)])
    return tmp_path / "corpus"


def edit_info(corpus: Path, change: Callable[[dict], object]) -> None:
    path = corpus / "corpus.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def replace_shard(corpus: Path, content: bytes) -> None:
    """Puts other bytes in place of the first shard, and corpus.json vouches for them."""
    path = corpus / json.loads((corpus / "corpus.json").read_text())["shards"][0]["file"]
    path.write_bytes(content)
    new = {"bytes": len(content), "sha256": sha256(path)}
    edit_info(corpus, lambda data: data["shards"][0].update(new))


def vouch_for_rows(corpus: Path) -> None:
    """Has corpus.json name the rows.arrow that is there."""
    new = {"rows_sha256": sha256(corpus / "rows.arrow")}
    edit_info(corpus, lambda data: data.update(new))


def read_everything(folder: Path) -> None:
    opened = open_corpus(folder)
    for row in range(len(opened.rows)):
        opened.features(row), opened.presence(row), opened.record(row), opened.labels(row)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=8), seed=st.integers(0, 999))
def test_every_field_comes_back_exactly(tmp_path_factory, dtype, lengths, seed):
    written = [
        sequence(seed + i, frames=length, split=("train", "dev")[i % 2])
        for i, length in enumerate(lengths)
    ]
    folder = tmp_path_factory.mktemp("round") / "trip"
    info = write(folder, written, dtype=dtype)
    opened = open_corpus(folder)
    assert opened.info == info
    assert opened.layout == LAYOUT
    for row, expected in enumerate(written):
        features, presence = opened.features(row), opened.presence(row)
        assert features.dtype == dtype
        assert presence.dtype == np.bool_
        np.testing.assert_array_equal(features, expected.features)
        np.testing.assert_array_equal(presence, expected.presence)
        assert opened.labels(row) == expected.labels
        assert opened.rows.id(row) == expected.id
        assert opened.rows.split(row) == expected.split
        assert opened.rows.signer(row) == expected.signer
        assert opened.rows.frames[row] == len(expected.features)
        assert opened.record(row) == {
            "id": expected.id,
            "split": expected.split,
            "signer": expected.signer,
            "labels": expected.labels,
            "segments": [segment._asdict() for segment in expected.segments],
            "text": expected.text,
        }


def test_special_values_of_float32_come_back_bit_for_bit(tmp_path):
    values = np.array([[0.1, -0.0, 1e-42, 3.4e38, 1 / 3]], np.float32)
    write(tmp_path / "c", [sequence(0, frames=1, features=values)])
    assert open_corpus(tmp_path / "c").features(0).tobytes() == values.tobytes()


def test_reading_copies_nothing_and_cannot_write(corpus):
    opened = open_corpus(corpus)
    allocated = pa.total_allocated_bytes()
    features, presence = opened.features(0), opened.presence(0)
    assert pa.total_allocated_bytes() == allocated  # the file is mapped, not loaded
    assert np.shares_memory(features, opened.features(0))
    assert np.shares_memory(presence, opened.presence(0))
    for array in (features, presence):
        assert not array.flags.owndata
        assert not array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        features[0, 0] = 1


def test_shards_of_a_split_are_closed_at_their_size_and_rows_find_their_way(tmp_path):
    written = [sequence(i, frames=10, split=("train", "dev")[i % 3 == 0]) for i in range(30)]
    size = written[0].features.nbytes + written[0].presence.size
    info = write(tmp_path / "c", written, shard_bytes=3 * size)
    sizes = {shard.file: shard.sequences for shard in info.shards}
    assert sizes == {
        **{f"dev-{i:05d}.arrow": n for i, n in enumerate([3, 3, 3, 1])},
        **{f"train-{i:05d}.arrow": n for i, n in enumerate([3] * 6 + [2])},
    }
    opened = open_corpus(tmp_path / "c")
    for row in reversed(range(30)):
        np.testing.assert_array_equal(opened.features(row), written[row].features)
        assert opened.record(row)["id"] == f"s{row}"


def test_rows_beyond_one_record_batch_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr("slr_accel.corpus.writer.BATCH_BYTES", 200)
    written = [sequence(i, frames=1 + i % 5) for i in range(40)]
    write(tmp_path / "c", written)
    opened = open_corpus(tmp_path / "c")
    for row in range(40):
        np.testing.assert_array_equal(opened.features(row), written[row].features)
        np.testing.assert_array_equal(opened.presence(row), written[row].presence)


def test_shards_open_with_datasets_alone(corpus):
    from datasets import Dataset

    row = Dataset.from_file(str(corpus / "train-00000.arrow")).with_format("numpy")[1]
    assert row["id"] == "s2"
    np.testing.assert_array_equal(row["features"], sequence(2).features)


def test_the_fingerprint_follows_the_content(tmp_path):
    one = write(tmp_path / "a", [sequence(1)]).fingerprint
    assert write(tmp_path / "b", [sequence(1)]).fingerprint == one
    assert write(tmp_path / "c", [sequence(2)]).fingerprint != one
    assert write(tmp_path / "d", [sequence(1)], frames_per_second=30.0).fingerprint != one
    assert write(tmp_path / "e", [sequence(1, labels=["BYE"])]).fingerprint != one


def test_rows_of_an_unknown_split_list_the_known_ones(corpus):
    opened = open_corpus(corpus)
    assert opened.rows.of_split("dev").tolist() == [1, 3, 5]
    with pytest.raises(ValueError, match=r"'test'.*dev, train"):
        opened.rows.of_split("test")


# What interrupts a writer leaves no corpus.


def test_an_exception_while_writing_leaves_nothing(tmp_path):
    def broken():
        yield sequence(0)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write(tmp_path / "c", broken())
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_no_corpus_and_the_next_one_removes_what_it_left(tmp_path):
    script = """
import sys, itertools, os, signal
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_writer_reader import sequence, write
def endless():
    for number in itertools.count():
        if number == 50:
            os.kill(os.getpid(), signal.SIGKILL)
        yield sequence(number)
write(Path(sys.argv[1]), endless(), shard_bytes=500)
"""
    out, here = tmp_path / "c", str(Path(__file__).parent)
    process = subprocess.run([sys.executable, "-c", script, str(out), here], check=False)
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    (leftover,) = tmp_path.iterdir()
    with pytest.raises(ValueError, match=r"corpus\.json is missing"):
        open_corpus(leftover)
    prefix = leftover.name.rsplit("-", 2)[0]
    others = [f"{prefix}-{os.getppid()}-0", f"{prefix}-notes", ".c.tmp-elsewhere-1"]
    for name in others:
        (tmp_path / name).mkdir()
    write(out, [sequence(0)])
    assert len(open_corpus(out).rows) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"c", *others}


def test_two_writers_of_one_name_and_pid_share_nothing_and_the_first_to_end_stays(tmp_path):
    """As in two containers that share a machine's name."""
    with pytest.raises(ValueError, match="another process has made it meanwhile"):  # noqa: SIM117
        with new_folder(tmp_path / "c") as second:
            (second / "of_second").touch()
            with new_folder(tmp_path / "c") as first:
                assert not list(first.iterdir())
                (first / "of_first").touch()
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["of_first"]


def test_an_existing_folder_is_refused_and_kept(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="exists already"):
        write(tmp_path / "c", [sequence(0)])
    assert (tmp_path / "c" / "thesis.txt").read_text() == "years of work"
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="exists already"):
        write(tmp_path / "file", [sequence(0)])


def test_of_two_writers_the_later_one_is_refused_and_leaves_nothing(tmp_path):
    def overtaken():
        yield sequence(0)
        write(tmp_path / "first", [sequence(1)])
        (tmp_path / "first").rename(tmp_path / "c")

    with pytest.raises(ValueError, match="another process has made it meanwhile"):
        write(tmp_path / "c", overtaken())
    assert open_corpus(tmp_path / "c").rows.id(0) == "s1"
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "c").mkdir()
    write(tmp_path / "c", [sequence(0)])
    assert len(open_corpus(tmp_path / "c").rows) == 1


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"features": np.zeros((4, 3), np.float32)}, "features"),
        ({"features": np.zeros((0, 5), np.float32)}, "features"),
        ({"presence": np.ones((3, 2), bool)}, "presence"),
        ({"split": "../train"}, "split"),
        ({"split": ""}, "split"),
    ],
)
def test_a_sequence_that_does_not_fit_is_refused_by_its_id(tmp_path, bad, words):
    with pytest.raises(ValueError, match=f"s7.*{words}"):
        write(tmp_path / "c", [sequence(0), sequence(7, **bad)])
    assert list(tmp_path.iterdir()) == []


def test_no_sequences_are_no_corpus(tmp_path):
    with pytest.raises(ValueError, match="no sequences"):
        write(tmp_path / "c", [])
    assert list(tmp_path.iterdir()) == []


# What is damaged or foreign is refused by name.


def test_a_folder_without_a_corpus_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(ValueError, match="slr-accel prepare"):
        open_corpus(tmp_path)


def test_another_format_version_is_refused_by_name(corpus):
    edit_info(corpus, lambda data: data.update(format_version=FORMAT_VERSION + 1))
    with pytest.raises(ValueError) as error:
        open_corpus(corpus)
    assert f"version {FORMAT_VERSION + 1}" in str(error.value)
    assert f"version {FORMAT_VERSION}" in str(error.value)
    assert "prepare" in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(format="something else"),
        lambda data: data.pop("layout"),
        lambda data: data.update(layout=[]),
        lambda data: data.update(dtype="object"),
        lambda data: data.update(frames_per_second="fast"),
        lambda data: data.update(labels=[{"a": 1}]),
        lambda data: data.update(labels=None),
        lambda data: data.update(rows_sha256=7),
        lambda data: data.pop("rows_sha256"),
        lambda data: data.update(frames_per_second=10**400),
        lambda data: data.update(source=["importer"]),
        lambda data: data.update(source=None),
        lambda data: data["source"].update(skipped=3),
        lambda data: data["source"].update(skipped=[3]),
        lambda data: data["source"].update(missing="zeros"),
        lambda data: data["source"].update(part=1),
        lambda data: data["source"].update(part={"index": 0, "count": None}),
        lambda data: data["shards"][0].update(sha256=7),
        lambda data: data["shards"][0].update(bytes=-(10**400)),
        lambda data: data.update(splits=["train"]),
        lambda data: data.update(splits={"train": {"sequences": "6"}}),
        lambda data: data.update(shards={}),
        lambda data: data["shards"][0].update(sequences="3"),
        lambda data: data["shards"][0].update(file=7),
        lambda data: data["shards"][0].update(file="../x"),
        lambda data: data["shards"][0].update(file="/etc/passwd"),
        lambda data: data["shards"][0].update(file=".."),
        lambda data: data["shards"][0].update(file="train-00007.arrow"),
        lambda data: data["shards"][0].update(code="import os"),
    ],
)
def test_an_edited_corpus_json_is_refused(corpus, change):
    # There is something at '../x', so that only its name can be the reason.
    first = json.loads((corpus / "corpus.json").read_text())["shards"][0]
    (corpus.parent / "x").write_bytes((corpus / first["file"]).read_bytes())
    edit_info(corpus, change)
    with pytest.raises(ValueError, match=r"corpus\.json: |\.arrow: "):
        open_corpus(corpus)


def test_a_corpus_json_nested_beyond_reading_is_refused(corpus):
    (corpus / "corpus.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"corpus\.json: not readable as JSON"):
        open_corpus(corpus)


def test_a_truncated_shard_is_refused_by_its_name(corpus):
    path = corpus / "train-00000.arrow"
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(ValueError, match=r"train-00000\.arrow.*copy it again"):
        open_corpus(corpus)


@pytest.mark.parametrize("name", ["corpus.json", "rows.arrow"])
@settings(max_examples=40, deadline=None)
@given(position=st.floats(0, 1), junk=st.binary(min_size=1, max_size=8))
def test_damage_anywhere_in_the_small_files_gives_an_answer_or_a_value_error(
    tmp_path_factory, name, position, junk
):
    folder = tmp_path_factory.mktemp("damaged") / "c"
    write(folder, [sequence(0), sequence(1, split="dev")])
    content = bytearray((folder / name).read_bytes())
    start = int(position * len(content))
    content[start : start + len(junk)] = junk
    (folder / name).write_bytes(content)
    try:
        read_everything(folder)
    except ValueError as error:
        assert str(folder) in str(error)


@settings(max_examples=60, deadline=None)
@given(position=st.floats(0, 1), junk=st.binary(min_size=1, max_size=8))
def test_damage_anywhere_in_a_shard_gives_an_answer_or_a_value_error(
    tmp_path_factory, position, junk
):
    folder = tmp_path_factory.mktemp("damaged") / "c"
    write(folder, [sequence(0), sequence(1)])
    content = bytearray((folder / "train-00000.arrow").read_bytes())
    start = int(position * len(content))
    content[start : start + len(junk)] = junk
    replace_shard(folder, bytes(content))
    try:
        read_everything(folder)
    except ValueError as error:
        assert "train-00000.arrow" in str(error)


def shard_of(tmp_path: Path, **options) -> bytes:
    sequences = options.pop("sequences", None) or [sequence(i, split="dev") for i in (1, 3, 5)]
    write(tmp_path / "other", sequences, **options)
    return (tmp_path / "other" / "dev-00000.arrow").read_bytes()


def test_a_shard_of_another_width_is_refused(corpus, tmp_path):
    features = np.zeros((4, 3), np.float32)
    narrow = [
        sequence(i, split="dev", features=features, presence=np.ones((4, 1), bool))
        for i in (1, 3, 5)
    ]
    replace_shard(corpus, shard_of(tmp_path, sequences=narrow, layout=generic_layout(3)))
    with pytest.raises(ValueError, match=r"dev-00000.*3 values.*says 5"):
        open_corpus(corpus).features(1)


def test_a_shard_of_another_dtype_is_refused(corpus, tmp_path):
    replace_shard(corpus, shard_of(tmp_path, dtype="float16"))
    with pytest.raises(ValueError, match=r"dev-00000.*float16.*float32"):
        open_corpus(corpus).features(1)


@pytest.mark.parametrize(
    "sequences",
    [
        [sequence(1, split="dev")],
        [sequence(1, split="dev"), sequence(3, split="dev"), sequence(5, split="dev", frames=9)],
    ],
)
def test_a_shard_of_other_sequences_is_refused(corpus, tmp_path, sequences):
    replace_shard(corpus, shard_of(tmp_path, sequences=sequences))
    with pytest.raises(ValueError, match=r"dev-00000.*lengths"):
        open_corpus(corpus).features(1)


def test_rows_of_another_corpus_of_the_same_shape_are_refused(corpus, tmp_path):
    others = [sequence(i, split=("train", "dev")[i % 2], labels=["HELLO"]) for i in range(6)]
    write(tmp_path / "other", others)
    own = (corpus / "rows.arrow").read_bytes()
    (corpus / "rows.arrow").write_bytes((tmp_path / "other" / "rows.arrow").read_bytes())
    with pytest.raises(ValueError, match=r"rows\.arrow.*does not belong"):
        open_corpus(corpus)
    (corpus / "rows.arrow").write_bytes(own)
    assert open_corpus(corpus).labels(1) == ["HELLO", "WORD1"]


def test_rows_of_another_size_are_refused_though_the_checksum_vouches_for_them(corpus, tmp_path):
    write(tmp_path / "other", [sequence(i) for i in range(5)])
    (corpus / "rows.arrow").write_bytes((tmp_path / "other" / "rows.arrow").read_bytes())
    vouch_for_rows(corpus)
    with pytest.raises(ValueError, match=r"rows\.arrow.*does not belong"):
        open_corpus(corpus)


@pytest.mark.parametrize(
    ("column", "value"),
    [("shard", 9), ("shard", -1), ("row", 99), ("row", -1), ("frames", -1), ("labels", [99])],
)
def test_rows_that_point_outside_are_refused(corpus, column, value):
    path = corpus / "rows.arrow"
    with pa.ipc.open_file(path) as file:
        table = file.read_all()
    index = table.column_names.index(column)
    values = [value, *table[column].to_pylist()[1:]]
    table = table.set_column(index, column, pa.array(values, table.schema.field(column).type))
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)
    vouch_for_rows(corpus)
    with pytest.raises(ValueError, match=r"rows\.arrow.*does not belong"):
        open_corpus(corpus)


# A crafted corpus runs no code.


@pytest.mark.parametrize("name", ["corpus.json", "rows.arrow"])
def test_a_pickle_in_place_of_a_small_file_is_refused_and_does_not_run(corpus, payload, name):
    (corpus / name).write_bytes(payload.pickled)
    with pytest.raises(ValueError, match=name):
        open_corpus(corpus)


def test_a_pickle_in_place_of_a_shard_is_refused_and_does_not_run(corpus, payload):
    replace_shard(corpus, payload.pickled)
    with pytest.raises(ValueError, match="dev-00000"):
        open_corpus(corpus).features(1)


@pytest.mark.parametrize("extension", ["arrow.py_extension_type", "datasets.features.Array2D"])
def test_a_pickle_in_the_type_of_a_shards_column_does_not_run(corpus, payload, extension):
    metadata = {"ARROW:extension:name": extension, "ARROW:extension:metadata": payload.pickled}
    storage = pa.array([[[1.0, 2.0]]] * 3, pa.list_(pa.list_(pa.float32())))
    fields = [pa.field(name, storage.type, metadata=metadata) for name in ("features", "presence")]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema(fields)) as stream:
        stream.write_table(pa.table([storage, storage], schema=pa.schema(fields)))
    replace_shard(corpus, sink.getvalue().to_pybytes())
    with pytest.raises(ValueError, match="dev-00000"):
        open_corpus(corpus).features(1)


def test_a_pickle_in_a_shards_own_metadata_does_not_run(corpus, payload):
    path = corpus / "dev-00000.arrow"
    with pa.ipc.open_stream(path) as stream:
        table = stream.read_all()
    pickled = payload.pickled
    table = table.replace_schema_metadata({"huggingface": pickled, "pandas": pickled})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    replace_shard(corpus, sink.getvalue().to_pybytes())
    with pytest.raises(ValueError, match="dev-00000"):
        open_corpus(corpus).features(1)
