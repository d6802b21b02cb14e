"""Arrays need no index where folders or annotations say all; ids and splits are made if absent."""

import json
from pathlib import Path

import numpy as np
import pytest
from manifest_helpers import array
from prepare_helpers import built

from slr_accel.corpus.reader import Corpus
from slr_accel.importers.dev_split import DevShare
from slr_accel.importers.manifest import list_manifest

LAYOUT = {
    "blocks": [
        {"name": "hand", "points": ["a", "b"], "axes": ["x", "y"]},
        {"name": "head", "points": ["c"], "axes": ["x", "y"]},
    ]
}


def save(folder: Path, *names: str, columns: int = 5) -> None:
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array(seed=seed, columns=columns))


def prepare(out: Path, index: Path | None = None, **options) -> Corpus:
    return built(list_manifest(index, **options), out / "corpus")


def refused(**options) -> str:
    with pytest.raises(ValueError) as error:
        list_manifest(options.pop("index", None), **options)
    return str(error.value)


def contents(corpus: Corpus) -> dict[str, tuple[str, list[str]]]:
    return {
        corpus.rows.id(row): (corpus.rows.split(row), corpus.labels(row))
        for row in range(len(corpus.rows))
    }


def test_folders_name_labels_and_splits(tmp_path):
    save(tmp_path / "a", "train/HI/1.npy", "val/GOOD DAY/x y.npy", "test/HI/1.npy")
    assert contents(prepare(tmp_path, folder=tmp_path / "a")) == {
        "test/HI/1": ("test", ["HI"]),
        "train/HI/1": ("train", ["HI"]),
        "val/GOOD-DAY/x-y": ("dev", ["GOOD-DAY"]),
    }


def test_arrays_in_no_folder_have_no_labels(tmp_path):
    save(tmp_path / "a", "one.npy")
    assert contents(prepare(tmp_path, folder=tmp_path / "a")) == {"one": ("test", [])}


@pytest.mark.parametrize("name", ["video_map.txt", "csl2020ct_v2.pkl"])
@pytest.mark.real_data
def test_csl_daily_is_divided_by_its_own_split(cases, tmp_path, name):
    folder = cases / "csl_daily"
    said = [folder / name, folder / "split_1.txt"]
    corpus = prepare(tmp_path, folder=folder / "npy", annotations=said)
    found = contents(corpus)
    lines = (folder / "video_map.txt").read_text(encoding="utf-8").splitlines()[1:]
    splits = dict(line.split("|") for line in (folder / "split_1.txt").read_text().splitlines()[1:])
    assert found == {
        cells[1]: (splits[cells[1]], cells[3].split()) for cells in (x.split("|") for x in lines)
    }
    for row in range(4):
        id = corpus.rows.id(row)
        assert corpus.rows.signer(row) == str(int(id[9:13]))
        np.testing.assert_allclose(
            corpus.features(row), np.load(folder / "npy" / f"{id}.npy"), atol=1e-3
        )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("phoenix2014.train.corpus.csv", "id|folder|signer|annotation\na|a/1/*.png|S1|X  Y\n"),
        (
            "t.train.csv",
            "name|video|start|end|speaker|orth|translation\na|a/1/*.png|-1|-1|S1|X Y|t\n",
        ),
        ("gsl_train.csv", "clips/a|X Y\n"),
        ("train.tsv", "id\tgloss\tsigner\na\tX Y\tS1\n"),
        ("labels.csv", "path,signer_id,gloss,split\na.mp4,S1,X Y,train\n"),
    ],
)
def test_tables_of_public_corpora_name_arrays(tmp_path, name, content):
    save(tmp_path / "a", "features/train/a.npy")
    (tmp_path / name).write_text(content)
    corpus = prepare(tmp_path, folder=tmp_path / "a", annotations=[tmp_path / name])
    assert contents(corpus) == {"a": ("train", ["X", "Y"])}
    assert corpus.rows.signer(0) == ("unknown" if "gsl" in name else "S1")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("own.csv", "id,split,labels,text,fps\na,train,X,said,30\n"),
        (
            "own.jsonl",
            '{"id": "a", "split": "train", "labels": "X", "text": "said", "fps": "30"}\n',
        ),
    ],
)
def test_annotations_say_the_rate_and_the_text(tmp_path, name, content):
    save(tmp_path / "a", "a.npy")
    (tmp_path / name).write_text(content)
    corpus = prepare(tmp_path, folder=tmp_path / "a", annotations=[tmp_path / name])
    assert corpus.info.frames_per_second == 30 and corpus.sequence(0).text == "said"
    (tmp_path / name).write_text(content.replace("30", "fast"))
    with pytest.raises(ValueError, match="`fps` is 'fast'"):
        prepare(tmp_path / "again", folder=tmp_path / "a", annotations=[tmp_path / name])


def test_an_index_without_ids_and_splits_gets_both(tmp_path):
    save(tmp_path, *(f"{word}/{i}.npy" for word in "AB" for i in range(5)))
    lines = [f"{word}/{i}.npy,{word},s{i}" for word in "AB" for i in range(5)]
    index = tmp_path / "index.csv"
    index.write_text("\n".join(["features,labels,signer", *lines]))
    found = contents(prepare(tmp_path, index))
    assert set(found) == {f"{word}/{i}" for word in "AB" for i in range(5)}
    assert [found[id][0] for id in found if found[id][1] == ["A"]].count("dev") == 1
    share = DevShare(0.4, by_signer=True)
    corpus = prepare(tmp_path / "by_signer", index, share=share)
    signers = {
        split: {corpus.rows.signer(row) for row in range(10) if corpus.rows.split(row) == split}
        for split in ("train", "dev")
    }
    assert len(signers["dev"]) == 2
    assert not signers["dev"] & signers["train"]


def test_some_rows_without_a_split_are_refused(tmp_path):
    save(tmp_path, "a.npy", "b.npy")
    lines = [{"features": "a.npy", "labels": "A", "split": "train"}, {"features": "b.npy"}]
    (tmp_path / "i.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(ValueError, match=r"i.jsonl:2: `split` is missing"):
        prepare(tmp_path, tmp_path / "i.jsonl")


def test_blocks_in_another_order_are_put_in_the_layout_s(tmp_path):
    save(tmp_path / "a", "W/1.npy", columns=6)
    (tmp_path / "layout.json").write_text(json.dumps(LAYOUT))
    corpus = prepare(
        tmp_path,
        folder=tmp_path / "a",
        layout=str(tmp_path / "layout.json"),
        block_order="head,hand",
    )
    stored = np.load(tmp_path / "a" / "W" / "1.npy")
    np.testing.assert_array_equal(corpus.features(0), stored[:, [2, 3, 4, 5, 0, 1]])
    assert "name each of hand,head once" in refused(
        folder=tmp_path / "a", layout=str(tmp_path / "layout.json"), block_order="hand"
    )


def test_points_and_axes_are_joined_where_the_layout_has_as_many(tmp_path):
    values = np.random.default_rng(0).uniform(0.1, 0.9, (4, 75, 3)).astype("f4")
    (tmp_path / "a" / "W").mkdir(parents=True)
    np.save(tmp_path / "a" / "W" / "1.npy", values)
    (tmp_path / "layout.json").write_text(
        json.dumps({"blocks": [{"name": "b", "points": list(range(75)), "axes": ["x", "y", "z"]}]})
    )
    corpus = prepare(tmp_path, folder=tmp_path / "a", layout=str(tmp_path / "layout.json"))
    np.testing.assert_allclose(corpus.features(0), values.reshape(4, -1), atol=1e-3)


def test_a_folder_without_arrays_is_refused(tmp_path):
    assert "no such folder" in refused(folder=tmp_path / "none")
    assert "holds no arrays" in refused(folder=tmp_path)
    assert "give --index FILE alone, or --folder" in refused()


def test_only_one_signer_cannot_be_held_out(tmp_path):
    save(tmp_path / "a", "W/1.npy", "W/2.npy")
    message = refused(folder=tmp_path / "a", share=DevShare(by_signer=True))
    assert "all sequences are of the signer 'unknown'" in message
