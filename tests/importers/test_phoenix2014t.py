"""A PHOENIX-2014 T release and landmarks become a corpus with glosses and German sentences."""

from pathlib import Path

import numpy as np
import pytest
from phoenix_helpers import HEADER_2014, Sentence, joined, landmarks, write_2014t, write_features
from prepare_helpers import built, half_step

from slr_accel.importers.phoenix2014t import list_phoenix2014t

SENTENCES = [
    Sentence("11August_2010_Wednesday_tagesschau-1", "train", "Signer08", "MORGEN SONNE", "sonnig"),
    Sentence(
        "25October_2010_Monday_tagesschau-22", "train", "Signer01", "REGEN NORD", "für „oben“"
    ),
    Sentence("11August_2010_Wednesday_tagesschau-2", "dev", "Signer08", "WARM WIND", 'ein "wind"'),
    Sentence("05May_2011_Thursday_tagesschau-25", "test", "Signer08", "JETZT WETTER", "und nun"),
]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_2014t(tmp_path / "PHOENIX-2014-T-release-v3", SENTENCES)


@pytest.fixture
def features(tmp_path: Path) -> Path:
    arrays = {(s.split, s.id): joined(landmarks(i, s.glosses)) for i, s in enumerate(SENTENCES)}
    return write_features(tmp_path / "features", arrays)


@pytest.mark.parametrize("inner", ["", "PHOENIX-2014-T"])
def test_glosses_text_signers_and_values_are_those_of_the_files(release, features, inner, tmp_path):
    corpus = built(list_phoenix2014t(release / inner, features), tmp_path / "out")
    assert corpus.info.frames_per_second == 25
    for row, sentence in enumerate(SENTENCES):
        record = corpus.record(row)
        assert (record["id"], record["split"]) == (sentence.id, sentence.split)
        assert record["signer"] == sentence.signer
        assert record["labels"] == sentence.glosses.split()
        assert record["text"] == sentence.text
        stored = np.load(features / sentence.split / f"{sentence.id}.npy")
        right = corpus.layout.slices["right_hand"]
        error = np.abs(corpus.features(row)[:, right].astype(np.float64) - stored[:, -63:])
        assert (error <= half_step(stored[:, -63:], corpus.info.dtype)).all()


def test_counts_other_than_the_release_are_notes(release, features):
    notes = "\n".join(list_phoenix2014t(release, features).notes)
    for count in ("7,096", "519", "642"):
        assert f"the release has {count}" in notes


def test_annotations_of_the_other_corpus_are_named(release, features, tmp_path):
    path = release / "PHOENIX-2014-T/annotations/manual/PHOENIX-2014-T.dev.corpus.csv"
    path.write_text(f"{HEADER_2014}\na|b|c|WARM\n")
    with pytest.raises(ValueError, match="without name, speaker, orth, translation") as error:
        built(list_phoenix2014t(release, features), tmp_path / "out")
    assert "PHOENIX-2014-T.dev.corpus.csv:1" in str(error.value)
    with pytest.raises(ValueError, match=r"PHOENIX-2014-T\.train\.corpus\.csv"):
        list_phoenix2014t(features, features)
