"""Reads transcripts: ctm, stm, trn, jsonl and txt files, and the result of `slr-accel evaluate`.

The first three are NIST's (sctk, doc/infmts.htm).
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

Side = Literal["hypothesis", "reference"]
Lines = Iterable[tuple[int, str]]
"""Line numbers from 1, and the lines."""
FIELDS = re.compile(r"[^ \t\r\n\f\v]+")
"""Blanks of ASCII alone, as in sclite: a no-break space is part of a word."""
UTTERANCE = re.compile(r"(.*)\(([^()\s]+)\)\s*")
JSONL_KEYS: dict[Side, tuple[str, ...]] = {
    "hypothesis": ("hypothesis",),
    "reference": ("reference", "labels"),
}
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Transcripts:
    """The sentences of a file by id, in the order of the file."""

    path: Path
    sentences: dict[str, list[str]]
    signers: dict[str, str] = field(default_factory=dict)
    """By id; empty where the format has none."""
    notes: list[str] = field(default_factory=list)
    """What a reader of the figures should know."""


def read_transcripts(path: Path, side: Side) -> Transcripts:
    """Reads hypotheses or references; the name's ending says in which format.

    Raises:
        ValueError: the file is missing, empty or malformed; the text names the line and the cure.
    """
    ending = path.suffix.lower()
    if ending == ".json":
        return _read_result(path, side)
    if ending not in READERS:
        raise ValueError(
            f"{path}: the ending of the name must say the format: {', '.join([*READERS, '.json'])}"
        )
    text = read_text(path)
    lines: Lines = enumerate(text.removesuffix("\n").split("\n"), 1)
    if ending != ".txt" and (ending != ".ctm" or ";" in text):
        lines = ((n, line) for n, line in lines if line[:2] != ";;" and line.strip())
    found = READERS[ending](path, lines, side)
    if not text or not found.sentences:
        raise ValueError(
            f"{path}: is empty; where nothing at all was recognised, write a .jsonl file with an "
            'empty "hypothesis" a sentence'
        )
    return found


def read_text(path: Path) -> str:
    """UTF-8 text, with or without byte order mark, or UTF-16 with one. Lines end in a newline.

    Raises:
        ValueError: it cannot be read as such.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        if b"\0" in data and not data.startswith(UTF16):
            raise ValueError(
                f"{path}: has zero bytes, as UTF-16 without a byte order mark; convert it: "
                f"iconv -f UTF-16LE -t UTF-8 {path.name} > utf8_{path.name}"
            )
        text = data.decode("utf-16" if data.startswith(UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path}, line {line}: is not UTF-8; if it is Latin-1, convert it: "
            f"iconv -f LATIN1 -t UTF-8 {path.name} > utf8_{path.name}"
        ) from None
    return text.replace("\r\n", "\n") if "\r" in text else text  # looking for one letter is fast


def _read_ctm(path: Path, lines: Lines, side: Side) -> Transcripts:
    """`id channel start duration word [confidence]` a line; words are put in order of start."""
    starts: dict[str, list[float]] = {}
    words: dict[str, list[str]] = {}
    channels: dict[str, str] = {}
    name = channel = ""
    own_starts: list[float] = []
    own_words: list[str] = []
    latest, out_of_order = -math.inf, set()
    without_word = 0
    seconds = cache(_seconds)  # most times of a file are there many times, as multiples of a frame
    for number, line in lines:
        row = line.split() if line.isascii() else FIELDS.findall(line)
        if not row:
            continue
        try:
            begin, _ = seconds(row[2]), seconds(row[3])
        except (ValueError, IndexError):
            raise _malformed_ctm(path, number, row, channels) from None
        if len(row) > 6:
            raise _malformed_ctm(path, number, row, channels)
        if row[0] != name or row[1] != channel:  # mostly a sentence's lines follow each other
            name, channel = row[0], row[1]
            if channels.setdefault(name, channel) != channel:
                raise _malformed_ctm(path, number, row, channels)
            own_starts, own_words = starts.setdefault(name, []), words.setdefault(name, [])
            latest = own_starts[-1] if own_starts else -math.inf
        if len(row) > 4:
            if begin <= latest:
                out_of_order.add(name)
            latest = begin
            own_starts.append(begin)
            own_words.append(row[4])
        else:  # cleaning leaves a line whose word it deletes
            without_word += 1
    repeated = 0
    for name in out_of_order:
        times = starts[name]
        repeated += len(times) - len(set(zip(times, words[name], strict=True)))
        order = sorted(range(len(times)), key=times.__getitem__)
        words[name] = [words[name][place] for place in order]
    notes = []
    if without_word:
        notes.append(f"{path.name}: {_lines(without_word)} without a word")
    if repeated:
        notes.append(
            f"{path.name}: {_lines(repeated)} with the id, start and word of an earlier line; "
            "are two files joined in it?"
        )
    return Transcripts(path, words, notes=notes)


def _fields(line: str) -> list[str]:
    return line.split() if line.isascii() else FIELDS.findall(line)


def _malformed_ctm(path: Path, number: int, row: list[str], channels: dict[str, str]) -> ValueError:
    if not 4 <= len(row) <= 6:
        cure = "write `id channel start duration word`, with a word of one piece"
        return _malformed(path, number, f"has {len(row)} fields", cure)
    if not (_is_number(row[2]) and _is_number(row[3])):
        what = f"has {row[2]!r} {row[3]!r} as its third and fourth field"
        return _malformed(path, number, what, "write start and duration in seconds there")
    what = f"gives {row[0]} a channel {row[1]} after {channels[row[0]]}"
    return _malformed(path, number, what, "give each channel an id of its own")


def _seconds(text: str) -> float:
    time = float(text)
    if not math.isfinite(time):
        raise ValueError(f"{text} is no time")
    return time


def _is_number(text: str) -> bool:
    try:
        _seconds(text)
    except ValueError:
        return False
    return True


def _read_stm(path: Path, lines: Lines, side: Side) -> Transcripts:
    """`id channel speaker start end [<label>] words` a line."""
    signers: dict[str, str] = {}

    def sentences() -> Iterator[tuple[int, str, list[str]]]:
        for number, line in lines:
            fields = _fields(line)
            if len(fields) < 5:
                cure = "write `id channel speaker start end words`"
                raise _malformed(path, number, f"has {len(fields)} fields", cure)
            if not (_is_number(fields[3]) and _is_number(fields[4])):
                what = f"has {fields[3]!r} {fields[4]!r} where start and end in seconds belong"
                cure = "if the speaker's name has a blank, write it with an underscore"
                raise _malformed(path, number, what, cure)
            words = fields[5:]
            if words and words[0].startswith("<") and words[0].endswith(">"):
                words = words[1:]
            signers[fields[0]] = fields[2]
            yield number, fields[0], words

    return Transcripts(path, _unique(path, sentences()), signers)


def _read_trn(path: Path, lines: Lines, side: Side) -> Transcripts:
    """`words (id)` a line."""

    def sentences() -> Iterator[tuple[int, str, list[str]]]:
        for number, line in lines:
            match = UTTERANCE.fullmatch(line)
            if match is None:
                cure = "write `words (id)`, with an id without blanks and brackets"
                raise _malformed(path, number, "does not end with an id in brackets", cure)
            yield number, match[2], _fields(match[1])

    return Transcripts(path, _unique(path, sentences()))


def _read_jsonl(path: Path, lines: Lines, side: Side) -> Transcripts:
    """An object a line: `id`, the words as text or list, and `signer` where it is known."""
    keys, signers = JSONL_KEYS[side], {}

    def sentences() -> Iterator[tuple[int, str, list[str]]]:
        for number, line in lines:
            record = _json(path, number, line)
            key = next((key for key in keys if key in record), None)
            if isinstance(record.get("id"), int):
                record["id"] = str(record["id"])
            if key is None or not isinstance(record.get("id"), str):
                what = f"has the keys {', '.join(record) or 'none'}"
                raise _malformed(path, number, what, f'give "id" and "{keys[0]}"')
            words = record[key]
            if isinstance(words, str):
                words = _fields(words)
            elif not isinstance(words, list) or not all(map(_is_word, words)):
                cure = 'write it as text, "A B", or as list of words, ["A", "B"]'
                raise _malformed(path, number, f"has no words in {key!r}", cure)
            if isinstance(record.get("signer"), str):
                signers[record["id"]] = record["signer"]
            yield number, record["id"], words

    return Transcripts(path, _unique(path, sentences()), signers)


def _is_word(word: Any) -> bool:
    return isinstance(word, str) and FIELDS.fullmatch(word) is not None


def _read_txt(path: Path, lines: Lines, side: Side) -> Transcripts:
    """A sentence a line, whose id is the number of the line; an empty line is one without words."""
    return Transcripts(path, {str(n): _fields(line) for n, line in lines})


def _read_result(path: Path, side: Side) -> Transcripts:
    """`evaluate` writes figures; the sentences are beside them."""
    beside = path.with_suffix(".jsonl")
    if not beside.is_file():
        raise ValueError(
            f"{path}: holds figures, and {beside.name} with the sentences is not beside it; give "
            "the .ctm and the .stm file, or call `slr-accel evaluate` again"
        )
    return read_transcripts(beside, side)


READERS: dict[str, Callable[[Path, Lines, Side], Transcripts]] = {
    ".ctm": _read_ctm,
    ".stm": _read_stm,
    ".trn": _read_trn,
    ".jsonl": _read_jsonl,
    ".txt": _read_txt,
}


def _unique(path: Path, sentences: Iterator[tuple[int, str, list[str]]]) -> dict[str, list[str]]:
    first: dict[str, int] = {}
    found: dict[str, list[str]] = {}
    for number, name, words in sentences:
        if name in found:
            what = f"gives {name} again, which line {first[name]} has"
            raise _malformed(path, number, what, "write one line a sentence")
        first[name], found[name] = number, words
    return found


def _json(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise _malformed(path, number, f"is not JSON ({error})", "write an object a line") from None
    if not isinstance(record, dict):
        raise _malformed(path, number, "is not a JSON object", 'write {"id": ...} a line')
    return record


def _malformed(path: Path, number: int, what: str, cure: str) -> ValueError:
    return ValueError(f"{path}, line {number}: {what}; {cure}")


def _lines(count: int) -> str:
    return f"{count} line{'s' * (count > 1)}"
