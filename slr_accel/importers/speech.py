"""`slr-accel prepare speech`: makes a corpus of log-mel from recordings and transcripts."""

from __future__ import annotations

import argparse
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from slr_accel.corpus.sequence import Sequence
from slr_accel.importers.audio import read_audio, resample
from slr_accel.importers.index import IndexRow, read_index
from slr_accel.importers.listing import Item, Listing, Problems
from slr_accel.importers.log_mel import log_mel, log_mel_frame_rate, log_mel_layout
from slr_accel.importers.manifest import list_manifest
from slr_accel.importers.spans import add_times
from slr_accel.optional_packages import how_to_install

DESCRIPTION = """\
Makes a corpus of 80-bin log-mel, 100 frames a second, from sound files. INDEX is a .jsonl file with
one sequence a line:

  {"id": "s1", "split": "train", "audio": "s1.wav", "labels": "hello world"}

audio     FILE.wav or FILE.flac (ogg and mp3 work, too), or a list of them, joined in time. Paths
          are relative to the index. Several channels are averaged. A truncated file is refused,
          except ogg, which does not announce its length.
features  instead of audio: arrays, as `prepare manifest` reads them (MFCC, ...)
labels    the words of the transcript, unchanged: upper and lower case differ
split     train and dev are what training uses; others (test) are for evaluate and predict
start,end the part of the sound that is the utterance: seconds, 1900ms or 00:00:01.900
also      signer (speaker), text, segments ([[start_frame, end_frame, word], ...])

A .csv with these column names works too (a list of files with `;` between). The bins reach up to
half the sample rate, so a corpus has one sample rate: --sample_rate resamples to it.
"""
LIBRARIES = ("kaldi-native-fbank", "soundfile", "soxr")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--index", required=True, type=Path, help="jsonl or csv file")
    parser.add_argument(
        "--sample_rate", type=int, help="samples a second to resample all files to [no resampling]"
    )
    parser.add_argument(
        "--fps", type=float, help="frames per second of `features`: see `prepare manifest`"
    )
    add_times(parser, default="s")


def list_sequences(args: argparse.Namespace) -> Listing:
    times = getattr(args, "times", "s")  # callers from Python may know the first three alone
    return list_speech(args.index, sample_rate=args.sample_rate, fps=args.fps, times=times)


@dataclass(frozen=True)
class _Source:
    folder: Path
    sample_rate: int
    first: str
    """The file whose sample rate it is; empty where all files are resampled to it."""


def list_speech(
    index: Path,
    *,
    sample_rate: int | None = None,
    fps: float | None = None,
    times: str = "s",
) -> Listing:
    """Lists the sequences of an index of sound files, or of ready-made features.

    Args:
        sample_rate: resample all files to it; None takes that of the first file, which all others
            must then have.
        fps: frames per second of ready-made features; see `list_manifest`.
        times: the unit of `start` and `end` where they are mere numbers.

    Raises:
        ValueError: the index cannot be read at all, or an option does not go with what it names.
    """
    problems = Problems()
    rows = read_index(index, problems, media=("audio", "features"), times=times)
    if all(row.medium == "features" for row in rows):
        problems.raise_if_any()  # `list_manifest` would accept a row with both
        if sample_rate is not None:
            raise ValueError("--sample_rate is for `audio`, and this index names `features`")
        return replace(list_manifest(index, fps=fps, times=times), importer="speech")
    if fps is not None:
        raise ValueError("--fps is for `features`; `audio` becomes 100 frames a second")
    _check_rows(rows, problems)
    libraries = _libraries()
    source = _find_source(index.parent, rows, sample_rate)
    return Listing(
        importer="speech",
        layout=log_mel_layout(source.sample_rate),
        frames_per_second=log_mel_frame_rate(source.sample_rate),
        items=[_item(row, source) for row in rows],
        source={"sample_rate": source.sample_rate, "resampled": not source.first, **libraries},
        notes=problems.notes,
        files=(index,),
        root=index.parent,
        problems=problems,
    )


def _check_rows(rows: list[IndexRow], problems: Problems) -> None:
    for row in rows:
        if row.medium != "audio":
            problems.add(row.where, "names `features`, but others `audio`; make a corpus of each")
        elif row.fps is not None:
            problems.add(row.where, "`fps` is for `features`; `audio` becomes 100 frames a second")
        elif any(time is not None and time.is_frames for time in row.span):
            problems.add(row.where, "`start` and `end` of `audio` are times, not frames")


def _libraries() -> dict[str, str]:
    """{library: its version}. ValueError where one is not installed."""
    try:
        return {name: version(name) for name in LIBRARIES}
    except PackageNotFoundError as error:
        raise ValueError(f"reading sound needs {error.name}: {how_to_install('speech')}") from None


def _find_source(folder: Path, rows: list[IndexRow], sample_rate: int | None) -> _Source:
    if sample_rate is not None:
        return _Source(folder, sample_rate, "")
    for part in (part for row in rows if row.medium == "audio" for part in row.parts):
        # Checking all files reports what is wrong with the ones before.
        with suppress(ValueError):
            return _Source(folder, read_audio(folder / part)[1], part)
    return _Source(folder, 16_000, "")


def _item(row: IndexRow, source: _Source) -> Item:
    files = {source.folder / part for part in row.parts}
    return Item(row.id, row.where, partial(_read, row, source), tuple(sorted(files)))


def _read(row: IndexRow, source: _Source) -> Sequence:
    """One sequence: its files are joined as sound, so that frames span their limits."""
    samples = np.concatenate([_read_part(part, source) for part in row.parts])
    if not row.span.is_whole:
        samples = samples[row.span.frames(len(samples), source.sample_rate)]
    features = log_mel(samples, source.sample_rate)
    return row.sequence(features, np.ones((len(features), 1), bool))


def _read_part(name: str, source: _Source) -> np.ndarray:
    samples, rate = read_audio(source.folder / name)
    if rate == source.sample_rate:
        return samples
    if source.first:
        raise ValueError(
            f"{name} has {rate} samples a second, but {source.first}, the first file, has "
            f"{source.sample_rate}; bring all to one rate with --sample_rate "
            f"{min(rate, source.sample_rate)}"
        )
    return resample(samples, rate, source.sample_rate)
