"""Recordings become the log-mel of their sound, in time order, or a message saying what to do."""

import argparse
import csv
import json
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kaldi_reference import kaldi_fbank
from prepare_helpers import assert_line_refused, built, index_of, refusal, row_of

from slr_accel.corpus.format import CHECKSUMS_FILE
from slr_accel.corpus.reader import Corpus
from slr_accel.importers import audio, speech
from slr_accel.importers.build import build_corpus
from slr_accel.importers.machine_parts import Part
from slr_accel.importers.merge import list_parts
from slr_accel.importers.speech import list_speech
from slr_accel.progress import untracked

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("kaldi_native_fbank")
pytest.importorskip("soxr")

RATE = 8000


def tone(frequency: float, seconds: float = 0.3, rate: int = RATE) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    return 0.2 * np.sin(2 * np.pi * frequency * time)


def write_wav(path: Path, samples: np.ndarray, rate: int = RATE) -> None:
    """[N] or [N, channels] as 16 bits, by Python's own library."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 2**15).astype("<i2").tobytes())


def read_wav(path: Path) -> np.ndarray:
    """[N] in [-1, 1] of one channel of 16 bits."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 2**15


def row(number: int, **changes) -> dict:
    fields = {
        "id": f"s{number}",
        "split": "train",
        "signer": "anna",
        "audio": f"s{number}.wav",
        "labels": "hello World",
    }
    return row_of(fields, changes)


def prepare(index: Path, **options) -> Corpus:
    return built(list_speech(index, **options), index.parent / "out" / "corpus")


def refused(index: Path, **options) -> str:
    return refusal(prepare, index, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Holds s0.wav (low), s1.wav (middle) and s2.wav (high), 0.3 s of 8 kHz each."""
    for number, frequency in enumerate((400, 1000, 2500)):
        write_wav(tmp_path / f"s{number}.wav", tone(frequency))
    return tmp_path


# What good recordings become


def test_a_wav_file_becomes_its_log_mel(folder):
    corpus = prepare(index_of(folder, row(0, text="Hello, World!", segments=[[0, 9, "hello"]])))
    expected = kaldi_fbank(read_wav(folder / "s0.wav"), RATE)
    np.testing.assert_allclose(corpus.features(0), expected, atol=2e-3)
    assert corpus.features(0).shape == (30, 80)
    assert corpus.presence(0).all()
    assert corpus.info.frames_per_second == 100
    assert corpus.layout.signature == "log_mel_8000Hz 80"
    assert corpus.record(0) == {
        "id": "s0",
        "split": "train",
        "signer": "anna",
        "labels": ["hello", "World"],
        "segments": [{"start": 0, "end": 9, "label": "hello"}],
        "text": "Hello, World!",
    }


def test_several_files_are_joined_in_the_order_given(folder):
    corpus = prepare(
        index_of(folder, row(0, audio=["s2.wav", "s0.wav"]), row(1, audio="s0.wav;s2.wav"))
    )
    low, high = read_wav(folder / "s0.wav"), read_wav(folder / "s2.wav")
    # Frames at the seam hear both files, so the sound is joined and not the features.
    np.testing.assert_allclose(
        corpus.features(0), kaldi_fbank(np.concatenate([high, low]), RATE), atol=2e-3
    )
    np.testing.assert_allclose(
        corpus.features(1), kaldi_fbank(np.concatenate([low, high]), RATE), atol=2e-3
    )
    loudest = corpus.features(0).argmax(axis=1)
    assert (loudest[:28] > loudest[32:].max()).all()


def test_a_csv_index_gives_the_same_corpus_as_jsonl(folder):
    rows = [row(0), row(1, split="dev", audio="s1.wav;s2.wav")]
    path = folder / "index.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    as_csv = built(list_speech(path), folder / "csv")
    as_jsonl = prepare(index_of(folder, *rows))
    for number in range(2):
        np.testing.assert_array_equal(as_csv.features(number), as_jsonl.features(number))
        assert as_csv.record(number) == as_jsonl.record(number)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.flac", {"subtype": "PCM_16"}),
        ("a.wav", {"subtype": "PCM_24"}),
        ("a.wav", {"subtype": "FLOAT"}),
        ("a.wav", {"subtype": "PCM_16", "format": "FLAC"}),
        ("a.unknown", {"subtype": "PCM_16", "format": "WAV"}),
    ],
)
def test_every_container_and_depth_gives_the_same_values(folder, name, options):
    noisy = tone(400) + np.random.default_rng(0).normal(0, 0.01, len(tone(400)))
    write_wav(folder / "s0.wav", noisy)
    samples = read_wav(folder / "s0.wav")
    soundfile.write(folder / name, samples, RATE, **options)
    corpus = prepare(index_of(folder, row(0), row(1, audio=name)))
    np.testing.assert_array_equal(corpus.features(0), corpus.features(1))


def test_of_several_channels_the_mean_is_taken(folder):
    left, right = read_wav(folder / "s0.wav"), read_wav(folder / "s1.wav")
    write_wav(folder / "stereo.wav", np.stack([left, right], axis=1))
    corpus = prepare(index_of(folder, row(0, audio="stereo.wav")))
    expected = kaldi_fbank((left + right) / 2, RATE)
    np.testing.assert_allclose(corpus.features(0), expected, atol=2e-3)


def test_files_of_several_rates_are_resampled_to_the_one_asked_for(folder):
    write_wav(folder / "wide.wav", tone(1000, rate=16000), 16000)
    index = index_of(folder, row(1), row(2, audio="wide.wav"), row(3, audio=["wide.wav", "s0.wav"]))
    corpus = prepare(index, sample_rate=8000)
    assert corpus.layout.signature == "log_mel_8000Hz 80"
    # The same tone, recorded at either rate. Resampling rings at the ends.
    ours, theirs = corpus.features(0)[3:-3], corpus.features(1)[3:-3]
    loud = ours > ours.max() - 6
    np.testing.assert_allclose(theirs[loud], ours[loud], atol=0.01)
    assert len(corpus.features(2)) == 60
    assert corpus.info.source["sample_rate"] == 8000
    assert corpus.info.source["resampled"] is True


def test_frames_per_second_are_exact_where_10_ms_are_no_whole_number_of_samples(folder):
    write_wav(folder / "a.wav", tone(400, 10, rate=22050), 22050)
    corpus = prepare(index_of(folder, row(0, audio="a.wav")))
    assert len(corpus.features(0)) / corpus.info.frames_per_second == pytest.approx(10, abs=0.005)


def test_ready_made_features_are_taken_as_they_are(folder):
    values = np.random.default_rng(0).uniform(1, 2, (7, 13)).astype(np.float32)
    np.savez(folder / "features.npz", one=values)
    index = index_of(folder, row(0, audio=None, features="features.npz#one"))
    corpus = prepare(index, fps=100)
    np.testing.assert_array_equal(corpus.features(0), values)
    assert corpus.layout.signature == "features 13"
    assert corpus.info.frames_per_second == 100
    assert corpus.info.source["importer"] == "speech"


def test_provenance_names_the_libraries_and_the_files(folder):
    corpus = prepare(index_of(folder, row(0, audio=["s0.wav", "s1.wav"])))
    assert {"kaldi-native-fbank", "soundfile", "soxr", "sample_rate"} <= set(corpus.info.source)
    checksums = (corpus.folder / CHECKSUMS_FILE).read_text(encoding="utf-8")
    assert [line.split()[1] for line in checksums.splitlines()] == [
        "index.jsonl",
        "s0.wav",
        "s1.wav",
    ]


def test_merged_parts_are_the_corpus_one_machine_makes(folder):
    found = list_speech(index_of(folder, *(row(i, audio=f"s{i % 3}.wav") for i in range(5))))
    whole = built(found, folder / "whole")
    for index in range(2):
        build_corpus(found, folder / "out", part=Part(index, 2), track=untracked)
    merged = built(list_parts(folder / "out"), folder / "out")
    assert merged.info == whole.info
    for file in (path.name for path in whole.folder.iterdir()):
        assert (merged.folder / file).read_bytes() == (whole.folder / file).read_bytes()


# What is refused


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


def as_flac(path: Path) -> bytes:
    soundfile.write(path, tone(400), RATE, format="FLAC")
    return path.read_bytes()


def flac_cut(path: Path) -> None:
    path.write_bytes(as_flac(path)[:1000])


def flac_of_unknown_length(path: Path) -> None:
    content = bytearray(as_flac(path))
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def containing(samples: np.ndarray) -> Callable[[Path], None]:
    return lambda path: soundfile.write(path, samples, RATE, subtype="FLOAT")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (Path.unlink, ["no such file"]),
        (folder_instead, ["not a file"]),
        (cut, ["cut short", "4844 bytes", "2000"]),
        (flac_cut, ["not readable", "flac"]),
        (flac_of_unknown_length, ["not readable", "ffmpeg"]),
        (lambda path: path.write_bytes(b""), ["not readable", "Format not recognised"]),
        (lambda path: path.write_text("a transcript"), ["Format not recognised", "wav, flac"]),
        (lambda path: write_wav(path, np.zeros(0)), ["no samples"]),
        (lambda path: write_wav(path, np.zeros(20)), ["has no frames"]),
        (containing(np.array([0, np.nan] * 400)), ["NaN"]),
        (containing(np.array([0, 20000.0] * 400)), ["up to 20000", "1 is loudest"]),
        (lambda path: write_wav(path, tone(400), 16000), ["16000", "s0.wav", "--sample_rate 8000"]),
    ],
)
def test_a_bad_recording_is_refused_with_the_line_that_names_it(folder, damage, words):
    damage(folder / "s1.wav")
    assert_line_refused(prepare, index_of(folder, row(0), row(1)), ["index.jsonl:2: s1: ", *words])


@pytest.mark.parametrize("kind", ["AIFF", "AU", "W64", "RF64"])
def test_a_format_whose_truncation_would_not_be_seen_is_refused(folder, kind):
    path = folder / f"a.{kind.lower()}"
    soundfile.write(path, tone(400, seconds=1.0), RATE, format=kind)
    with pytest.raises(ValueError, match=f"its format is {kind}.*convert"):
        audio.read_audio(path)


@pytest.mark.parametrize("share", [0.6, 0.97])
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "MP3"])
def test_a_recording_that_is_cut_off_is_refused_whatever_its_kind(folder, kind, share):
    path = folder / f"a.{kind.lower()}"
    soundfile.write(path, tone(400, seconds=1.0), RATE, format=kind)
    index = index_of(folder, row(0), row(1, audio=path.name))
    list_speech(index).items[1].read()
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert_line_refused(prepare, index, ["s1", "not readable" if kind == "FLAC" else "cut short"])


@pytest.mark.parametrize("rate", [RATE, 44100])
@pytest.mark.parametrize("bit_rate", [16000, 64000])
def test_a_whole_mp3_that_does_not_count_its_frames_is_read(folder, rate, bit_rate):
    """libsndfile estimates them, often too high."""
    av = pytest.importorskip("av")
    path = folder / "a.mp3"
    sound = np.concatenate([np.zeros(2 * rate), tone(400, seconds=2.0, rate=rate)])
    with av.open(str(path), "w", options={"write_xing": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=rate, layout="mono")
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate = rate
        for part in (frame, None):
            container.mux(stream.encode(part))
    assert len(audio.read_audio(path)[0]) == pytest.approx(len(sound), abs=3000)


@pytest.mark.parametrize("size", ["ffffffff", "0000ff7f"])
def test_a_recording_from_a_pipe_does_not_know_its_size_and_is_read(folder, size):
    path = folder / "a.wav"
    soundfile.write(path, tone(400), RATE)
    content = bytearray(path.read_bytes())
    content[4:8] = bytes.fromhex(size)
    path.write_bytes(content)
    assert len(audio.read_audio(path)[0]) == len(tone(400))


def test_a_row_of_both_is_refused_where_all_others_have_features(folder):
    index = index_of(folder, row(0, audio=None, features="s0.npy"), row(1, features="s1.npy"))
    assert_line_refused(prepare, index, ["has both", "give one"])


def test_a_headerless_recording_is_refused(folder):
    (folder / "a.raw").write_bytes(bytes(4000))
    assert "not readable" in refused(index_of(folder, row(0), row(1, audio="a.raw")))


def test_what_cannot_be_read_is_left_out_where_that_is_allowed(folder):
    cut(folder / "s0.wav")
    corpus = built(
        list_speech(index_of(folder, row(0), row(1))), folder / "corpus", allow_skips=True
    )
    assert [corpus.rows.id(i) for i in range(len(corpus.rows))] == ["s1"]
    assert "cut short" in corpus.info.source["skipped"][0]


def test_nothing_readable_at_all_tells_of_every_file(folder):
    for number in range(3):
        cut(folder / f"s{number}.wav")
    assert refused(index_of(folder, row(0), row(1), row(2))).count("cut short") == 3


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (row(1, audio=None), ["`audio` or `features` is missing"]),
        (row(1, audio=[]), ["`audio` or `features` is missing"]),
        (row(1, audio=["s1.wav", 3]), ["list"]),
        (row(1, features="s1.npy"), ["has both", "give one"]),
        (row(1, audio=None, features="s1.npy"), ["`features`", "a corpus of each"]),
        (row(1, fps=25), ["`fps`", "100 frames a second"]),
        (row(1, labels=None), ["no `labels`"]),
        (row(1, segments=[[0, 32, "a"]]), ["lies beyond the last of 30 frames"]),
        (row(1, id="s0"), ["'s0' was used at"]),
    ],
)
def test_a_bad_row_is_refused_with_its_line(folder, bad, words):
    assert_line_refused(prepare, index_of(folder, row(0), bad), words)


def test_a_csv_index_with_another_delimiter_is_refused(folder):
    path = folder / "index.csv"
    path.write_text("id/split/audio/labels\ns0/train/s0.wav/A\n")
    assert "header, with commas, semicolons or tabs between, of some of id" in refused(path)


def test_options_that_do_not_go_with_the_index_are_refused(folder):
    np.save(folder / "s0.npy", np.zeros((3, 2)))
    assert "--fps is for `features`" in refused(index_of(folder, row(0)), fps=100)
    ready = index_of(folder, row(0, audio=None, features="s0.npy"))
    assert "--sample_rate is for `audio`" in refused(ready, sample_rate=8000)
    assert "at least 8000 Hz" in refused(index_of(folder, row(0)), sample_rate=4000)


def test_a_missing_library_is_named_with_what_installs_it(folder, monkeypatch):
    monkeypatch.setattr(speech, "LIBRARIES", ("no-such-library",))
    message = refused(index_of(folder, row(0)))
    assert "no-such-library" in message
    assert "'.[speech]'" in message


# Real recordings


def rows_of(folder: Path) -> list[dict]:
    lines = (folder / "index.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "rate", "sequences"), [("fsdd", 8000, (600, 100)), ("an4_wav", 16000, (30, 10))]
)
def test_real_recordings_are_what_another_reading_finds(
    shared_data, tmp_path, name, rate, sequences
):
    corpus = built(list_speech(shared_data / name / "index.jsonl"), tmp_path / "corpus")
    assert corpus.layout.signature == f"log_mel_{rate}Hz 80"
    splits = corpus.info.splits
    assert (splits["train"]["sequences"], splits["dev"]["sequences"]) == sequences
    rows = rows_of(shared_data / name)
    for number in range(0, len(rows), len(rows) // 4):
        fields = rows[number]
        sound = np.concatenate([read_wav(shared_data / name / part) for part in fields["audio"]])
        np.testing.assert_allclose(corpus.features(number), kaldi_fbank(sound, rate), atol=2e-3)
        assert corpus.labels(number) == fields["labels"].split()
        assert corpus.rows.id(number) == fields["id"]


@pytest.mark.real_data
def test_real_mfcc_are_read_as_they_are(shared_data, tmp_path):
    folder = shared_data / "an4_mfcc"
    options = argparse.Namespace(index=folder / "index.jsonl", sample_rate=None, fps=100.0)
    corpus = built(speech.list_sequences(options), tmp_path / "corpus")
    rows = rows_of(folder)
    assert len(corpus.rows) == len(rows) == 948
    with np.load(folder / "features.npz", allow_pickle=False) as archive:
        for number in range(0, len(rows), 50):
            expected = archive[rows[number]["features"].partition("#")[2]]
            np.testing.assert_array_equal(corpus.features(number), expected)
