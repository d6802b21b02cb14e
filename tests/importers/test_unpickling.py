"""Pickles of arrays and containers are read as they are, and nothing in one is ever executed."""

import collections
import gzip
import os
import pickle
import pickletools
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slr_accel.importers.unpickling import load_pickle, loads

ARRAYS = {
    "float32": np.arange(12, dtype="f4").reshape(3, 4),
    "columns first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big endian": np.arange(3, dtype=">i2"),
    "bool": np.array([True, False]),
    "half": np.arange(4, dtype="f2"),
    "texts": np.array(["a", "bcd"]),
    "empty": np.zeros((0, 3), "f4"),
    "scalar": np.float32(1.5),
}
TENSORS = {
    "float": torch.arange(12.0).reshape(3, 4),
    "turned": torch.arange(12).reshape(3, 4).T,
    "a part": torch.arange(12, dtype=torch.int16)[3:7],
    "empty": torch.zeros(2, 0),
    "bool": torch.tensor([True, False]),
}
CONTAINERS = {
    "nested": {"a": [1, 2.5, None, True], "b": (1, "ü"), 3: {"x": b"\xff"}},
    "sets": [{1, 2}, frozenset([3])],
    "ordered": collections.OrderedDict(a=1),
    "default": collections.defaultdict(list, {"a": [1]}),
    "bytearray": bytearray(b"xy"),
    "complex": 1 + 2j,
}
every_protocol = pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))


@every_protocol
@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_is_read_as_numpy_reads_it(name, protocol):
    array = ARRAYS[name]
    found = loads(pickle.dumps({"keypoints": array}, protocol), "x")["keypoints"]
    np.testing.assert_array_equal(found, array)
    assert np.asarray(found).shape == array.shape
    if isinstance(array, np.ndarray):
        assert found.dtype == array.dtype


@every_protocol
def test_arrays_of_numpy_1_and_2_are_read(protocol):
    """Their pickles differ in the name of a module alone."""
    content = pickle.dumps(ARRAYS["float32"], protocol)
    old, new = b"numpy.core.", b"numpy._core."
    if protocol >= 4:
        # Texts are written with their length.
        written = {name: bytes([len(name) + 10]) for name in (old, new)}
        swapped = [
            content.replace(written[a] + a, written[b] + b) for a, b in ((old, new), (new, old))
        ]
        swapped = [_without_frame(text) for text in swapped]
    else:
        swapped = [content.replace(old, new), content.replace(new, old)]
    for text in swapped:
        np.testing.assert_array_equal(loads(text, "x"), ARRAYS["float32"])


def _without_frame(content: bytes) -> bytes:
    """Leaves out the length that protocol 4 writes at the beginning."""
    assert content[2:3] == pickle.FRAME
    return content[:2] + content[11:]


@every_protocol
@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_becomes_its_array(name, protocol):
    found = loads(pickle.dumps([TENSORS[name]], protocol), "x")[0]
    np.testing.assert_array_equal(found, TENSORS[name].numpy())
    assert found.dtype == TENSORS[name].numpy().dtype


@every_protocol
@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_are_read_as_they_are(name, protocol):
    assert loads(pickle.dumps(CONTAINERS[name], protocol), "x") == CONTAINERS[name]


def test_an_array_of_objects_becomes_a_list():
    array = np.array([{"a": 1}, [np.zeros(2)]], dtype=object)
    found = loads(pickle.dumps(array), "x")
    assert found[0] == {"a": 1}
    np.testing.assert_array_equal(found[1][0], np.zeros(2))


def test_a_list_that_holds_itself_is_read():
    own: list = []
    own.append(own)
    found = loads(pickle.dumps(own), "x")
    assert found[0] is found


def test_gzip_is_unpacked(tmp_path):
    path = tmp_path / "phoenix-2014t.train"
    path.write_bytes(gzip.compress(pickle.dumps([{"name": "a"}])))
    assert load_pickle(path) == [{"name": "a"}]


# Nothing is executed.


class Calls:
    def __init__(self, function: object, *args: object) -> None:
        self.call = (function, args)

    def __reduce__(self) -> object:
        return self.call


def malicious(marker: Path) -> dict[str, bytes]:
    """Eight ways to run code from a pickle; each would create the file `marker`."""
    code = f"open({str(marker)!r}, 'w').close()"
    shell = f"touch '{marker}'"
    dtype = pickle.dumps(np.dtype("f4"), 2)[2:-1]
    return {
        "a shell": pickle.dumps(Calls(os.system, shell)),
        "eval": pickle.dumps(Calls(eval, f"__import__('os').system({shell!r})")),
        "exec within a dictionary": pickle.dumps({"keypoints": Calls(exec, code)}),
        "getattr of an allowed function": b"cbuiltins\ngetattr\n(cnumpy\ndtype\nX\x09\x00\x00\x00"
        b"__class__tR.",
        "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.tofile\x93.",
        "a reader that is changed": b"cnumpy\ndtype\n}(X\x09\x00\x00\x00_functioncos\nsystem\nub.",
        "a state with code": b"cnumpy.core.multiarray\n_reconstruct\n(tR(cos\nsystem\nX"
        + struct.pack("<I", len(shell))
        + shell.encode()
        + b"tRb.",
        "a pickle in a tensor": pickle.dumps(
            Calls(torch.storage._load_from_bytes, pickle.dumps(Calls(os.system, shell)))
        ),
        "a dtype that is changed": dtype
        + b"(cos\nsystem\nX"
        + struct.pack("<I", len(shell))
        + shell.encode()
        + b"tRb.",
    }


@pytest.mark.parametrize("way", malicious(Path("marker")))
def test_a_malicious_pickle_is_refused_and_runs_nothing(way, tmp_path):
    marker = tmp_path / "ran"
    path = tmp_path / "bad.pkl"
    path.write_bytes(malicious(marker)[way])
    with pytest.raises(ValueError, match=r"bad\.pkl: "):
        load_pickle(path)
    assert not marker.exists()


def test_the_malicious_pickles_would_run_elsewhere(tmp_path):
    """Else the test above could not fail."""
    for way in ("a shell", "eval", "exec within a dictionary"):
        marker = tmp_path / way.replace(" ", "_")
        pickle.loads(malicious(marker)[way])
        assert marker.exists()


def test_what_is_not_read_is_named():
    with pytest.raises(ValueError, match=r"f\.pkl: holds pathlib\.\w*Path, which is not read"):
        loads(pickle.dumps(Path("a")), "f.pkl")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not readable"),
        (b"hello", "not readable"),
        (pickle.dumps(np.arange(9.0))[:-30], "not readable"),
        (b"PK\x03\x04rest", "an archive, as torch.save"),
        (b"\x1f\x8bno gzip", "not readable"),
        (pickle.dumps(np.zeros(3, "V8")), "V8"),
        (pickle.dumps([np.dtype("f4")]), "a dtype or a function where a value belongs"),
    ],
)
def test_a_damaged_file_is_told(tmp_path, content, words):
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        load_pickle(path)


def test_a_tensor_larger_than_its_storage_is_refused():
    content = pickle.dumps(torch.arange(4.0), 2)
    assert content.count(b"K\x04\x85") == 1
    with pytest.raises(ValueError, match="larger than its storage"):
        loads(content.replace(b"K\x04\x85", b"K\xf4\x85"), "x")


FORBIDDEN = ("exec", "compile", "import", "open", "os.", "subprocess.", "socket.", "ctypes.")
watched: list[str] = []
is_watching = False


def watch(event: str, args: object) -> None:
    if is_watching and event.startswith(FORBIDDEN):
        watched.append(event)


sys.addaudithook(watch)
PIECES = [
    *(pickle.dumps(array, protocol) for array in ARRAYS.values() for protocol in (0, 2, 4)),
    pickle.dumps(TENSORS["turned"], 2),
    pickle.dumps(CONTAINERS["nested"], 4),
]
OPCODES = st.sampled_from([op.code.encode("latin1") for op in pickletools.opcodes])
NAMES = st.sampled_from(
    [
        *(b"cos\nsystem\n", b"cnumpy\ndtype\n", b"cbuiltins\nset\n", b"cbuiltins\neval\n"),
        *(b"cnumpy.core.multiarray\n_reconstruct\n", b"ctorch.storage\n_load_from_bytes\n"),
        *(b"X\x02\x00\x00\x00ls", b"(", b"tR", b"b", b"}", b"]", b"K\x01", b"."),
    ]
)
STREAMS = st.one_of(
    st.binary(max_size=60),
    st.lists(st.one_of(OPCODES, NAMES), max_size=25).map(b"".join),
    st.tuples(
        st.sampled_from(PIECES), st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=4)))
    ).map(lambda found: _changed(*found)),
)


def _changed(content: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    for place, new in changes[:4]:
        at = place % len(content)
        content = content[:at] + new + content[at + len(new) :]
    return content


@settings(deadline=None)
@given(STREAMS)
def test_no_bytes_run_anything(content):
    """An audit hook sees each import, each opened file and each process."""
    global is_watching
    is_watching = True
    try:
        found = loads(content, "fuzzed")
    except ValueError:
        found = None
    finally:
        is_watching = False
    assert not watched
    kinds = int | float | complex | str | bytes | dict | list | tuple | set | frozenset | np.ndarray
    assert found is None or isinstance(found, kinds)


def test_the_hook_sees_what_a_pickle_does():
    global is_watching
    is_watching = True
    try:
        Path(os.devnull).read_bytes()
    finally:
        is_watching = False
    assert watched == ["open"]
    watched.clear()
