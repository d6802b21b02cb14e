"""A cached step keeps its likely tokens to float16's precision, and the probability of the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slr_accel.distillation.cache import open_cache, start_cache, write_part
from slr_accel.distillation.cache_format import CacheInfo, packed, part_path, read_info, unpacked


def posteriors(steps: int, outputs: int, seed: int) -> np.ndarray:
    logits = 4 * np.random.default_rng(seed).normal(size=(steps, outputs))
    return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(2, 12), st.integers(1, 12), st.integers(0, 10**6))
def test_what_is_kept_is_kept_and_the_others_share_the_rest(
    steps: int, outputs: int, top_k: int, seed: int
) -> None:
    log_probs = posteriors(steps, outputs, seed)
    tokens, values, rest = (x.ravel() for x in packed(log_probs, top_k))
    found = unpacked(tokens, values, rest, steps, outputs)
    np.testing.assert_allclose(np.exp(found).sum(1), 1, atol=4e-3)
    order = np.argsort(-log_probs, axis=1, kind="stable")
    kept = np.take_along_axis(found, order[:, :top_k], 1)
    expected = np.take_along_axis(log_probs, order[:, :top_k], 1)
    np.testing.assert_allclose(kept, expected, rtol=1e-3, atol=1e-6)
    others = np.take_along_axis(found, order[:, top_k:], 1)
    assert (np.ptp(others, axis=1) == 0).all() if others.size else True


def info(**changed: object) -> CacheInfo:
    given = {
        "views": 2,
        "top_k": 3,
        "num_outputs": 5,
        "rows": 300,
        "teachers": {"/runs/a": "1"},
        "belongs_to": {"corpus": "c", "seed": 1},
    }
    return CacheInfo(**{**given, **changed})


def write(folder: Path, kept: CacheInfo, parts: list[tuple[int, int]]) -> None:
    for view, part in parts:
        own = kept.positions(part)
        rows = [10 * position for position in range(own.start, own.stop)]
        labels = [posteriors(1 + row % 4, 5, row + view) for row in rows]
        write_part(part_path(folder, view, part), rows, labels, kept.top_k)


def test_a_cache_is_read_by_row_and_view_when_it_is_complete(tmp_path: Path) -> None:
    kept, rows = info(), [10 * position for position in range(300)]
    start_cache(tmp_path / "c", kept)
    write(tmp_path / "c", kept, [(0, 0), (0, 1), (1, 1)])
    with pytest.raises(ValueError, match=r"1 of 4 files are missing \(view_00001/part_00000"):
        open_cache(tmp_path / "c", kept.belongs_to, rows, 4)
    write(tmp_path / "c", kept, [(1, 0)])
    cache = open_cache(tmp_path / "c", kept.belongs_to, rows, 4)
    for view, row in ((0, 0), (1, 2990), (0, 2560), (1, 10)):
        expected = posteriors(1 + row % 4, 5, row + view)
        found = cache._labels(view, row)
        assert (found.argmax(1) == expected.argmax(1)).all()
        np.testing.assert_allclose(found.max(1), expected.max(1), rtol=1e-3)


def test_a_cache_that_does_not_belong_is_refused_with_the_reason(tmp_path: Path) -> None:
    start_cache(tmp_path / "c", info())
    with pytest.raises(ValueError, match=r"seed: 1 there, 2 here"):
        open_cache(tmp_path / "c", {"corpus": "c", "seed": 2}, [0], 4)
    with pytest.raises(ValueError, match=r"weights of teacher 1: '1' there, '2' here"):
        start_cache(tmp_path / "c", info(teachers={"/runs/a": "2"}))
    start_cache(tmp_path / "c", info(teachers={"/moved/a": "1"}, views=1))
    assert read_info(tmp_path / "c").views == 1
    with pytest.raises(ValueError, match=r"not a teacher cache \(no cache.json\)"):
        open_cache(tmp_path, {}, [0], 4)
    with pytest.raises(ValueError, match="holds other files"):
        start_cache(tmp_path, info())


def test_a_damaged_part_says_how_to_mend_it(tmp_path: Path) -> None:
    kept = info(rows=2, views=1)
    start_cache(tmp_path / "c", kept)
    write(tmp_path / "c", kept, [(0, 0)])
    path = part_path(tmp_path / "c", 0, 0)
    cache = open_cache(tmp_path / "c", kept.belongs_to, [0, 20], 4)
    with pytest.raises(ValueError, match="row 20 is not where it belongs"):
        cache._labels(0, 20)
    whole = path.read_bytes()
    path.unlink()  # the old one stays mapped
    path.write_bytes(whole[:200])
    with pytest.raises(ValueError, match="remove it and give"):
        open_cache(tmp_path / "c", kept.belongs_to, [0, 10], 4)._labels(0, 0)
