"""`slr-accel prepare synthetic`: makes a corpus of sentences by procedural signers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from slr_accel.importers.index import check_id_and_split, parse_labels
from slr_accel.importers.index_file import read_fields
from slr_accel.importers.listing import Item, Listing, Problems
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.synthetic.performance import (
    FRAMES_PER_SECOND,
    Performance,
    fewest_frames,
    performances,
)
from slr_accel.synthetic.signer import signer_named

DESCRIPTION = """\
A procedural signer over the MediaPipe Holistic layout: for tests and a first run.

Without --like it signs sentences of a small grammar of its own. With `--like phoenix2014` it signs
the sentences of PHOENIX-2014 in their real lengths, by signers of the real names, each with a body
and style of its own: a corpus of that size, for measuring speed and trying settings.
INDEX is a .jsonl file with one sequence a line; `si5` is the split in the signer-independent part,
or null:

  {"id": "a-1", "split": "train", "signer": "Signer04", "num_frames": 176,
   "raw": "LIEB ZUSCHAUER", "si5": "train"}
"""
OWN_SENTENCES = {"num_train": 400, "num_dev": 60, "num_test": 60, "num_signers": 6}
PARTITIONS = {"si5": "si5", "multisigner": "split"}
"""{partition: the field of the index with a sequence's split}"""
INDEX_FIELDS = ("id", "split", "signer", "num_frames", "raw", "si5")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    helps = {
        "num_train": "sentences",
        "num_dev": "sentences, unseen in train",
        "num_test": "sentences, unseen too",
        "num_signers": "",
    }
    for name, default in OWN_SENTENCES.items():
        parser.add_argument(f"--{name}", type=int, help=f"{helps[name]} [{default}]".strip())
    parser.add_argument("--seed", type=int, default=1, help="chooses sentences and signers [1]")
    parser.add_argument("--like", choices=("phoenix2014",), help="sign the sentences of --index")
    parser.add_argument("--index", type=Path, help="jsonl or csv file of --like")
    parser.add_argument(
        "--partition",
        choices=tuple(PARTITIONS),
        help="of --like: SI5 holds out a signer, multisigner is all of the corpus [si5]",
    )


def list_sequences(args: argparse.Namespace) -> Listing:
    own = {name: getattr(args, name) for name in OWN_SENTENCES if getattr(args, name) is not None}
    if args.like is None:
        if args.index or args.partition:
            raise ValueError("--index and --partition need --like phoenix2014 beside them")
        return list_synthetic(**OWN_SENTENCES | own, seed=args.seed)
    if args.index is None:
        raise ValueError("--like phoenix2014 needs --index FILE: the sentences and their lengths")
    if own:
        names = ", ".join(f"--{name}" for name in own)
        raise ValueError(f"with --like, sentences and signers are the index's; leave out {names}")
    return list_like_phoenix2014(args.index, args.partition or "si5", args.seed)


def list_synthetic(
    num_train: int, num_dev: int, num_test: int, num_signers: int = 6, seed: int = 1
) -> Listing:
    """Lists sentences of the grammar; the same arguments give the same corpus.

    Raises:
        ValueError: the grammar does not have that many sentences.
    """
    performed = performances(num_train, num_dev, num_test, seed=seed, num_signers=num_signers)
    counts = {"num_train": num_train, "num_dev": num_dev, "num_test": num_test}
    source = {**counts, "num_signers": num_signers, "seed": seed}
    return _listing([Item(p.id, p.id, p.sequence) for p in performed], source)


def list_like_phoenix2014(index: Path, partition: str = "si5", seed: int = 1) -> Listing:
    """Lists PHOENIX-2014's sentences with its raw glosses, lengths and signers' names.

    Args:
        index: rows with the fields of `INDEX_FIELDS`.
        partition: `si5` or `multisigner`.

    Raises:
        ValueError: this is no such index; problems of rows are in the listing.
    """
    if seed < 0:
        raise ValueError(f"--seed is {seed}; give 0 or more")
    problems = Problems()
    items = []
    for where, fields in read_fields(index, INDEX_FIELDS, INDEX_FIELDS, problems):
        performance = _performance(where, fields, PARTITIONS[partition], seed, problems)
        if performance:
            items.append(Item(performance.id, where, performance.sequence))
    if not items and not problems.messages:
        raise ValueError(f"{index}: no row is in the partition {partition}; --partition chooses")
    source = {"like": "phoenix2014", "partition": partition, "seed": seed}
    return _listing(items, source, files=(index,), root=index.parent, problems=problems)


def _performance(
    where: str, fields: dict[str, Any], split_field: str, seed: int, problems: Problems
) -> Performance | None:
    """None where a row is not in the partition, or something is wrong with it."""
    before = len(problems.messages)
    missing = [name for name in INDEX_FIELDS if name not in fields and name != "si5"]
    if missing:
        problems.add(where, f"{', '.join(missing)} missing; needed are {', '.join(INDEX_FIELDS)}")
        return None
    if not fields.get(split_field):
        return None
    check_id_and_split(where, {**fields, "split": fields[split_field]}, problems)
    glosses = parse_labels(where, fields["raw"], problems)
    if not glosses and len(problems.messages) == before:
        problems.add(where, "`raw` has no glosses")
    frames = fields["num_frames"]
    if not str(frames).isdecimal() or int(frames) < fewest_frames(len(glosses)):
        problems.add(
            where,
            f"`num_frames` is {frames!r}; {len(glosses)} signs need a whole number of frames, "
            f"{fewest_frames(len(glosses))} or more",
        )
    if len(problems.messages) > before:
        return None
    return Performance(
        fields["id"],
        fields[split_field],
        glosses,
        (signer_named(str(fields["signer"])),),
        (seed, *fields["id"].encode("utf-8")),
        int(frames),
    )


def _listing(items: list[Item], source: dict[str, Any], **more: Any) -> Listing:
    return Listing(
        importer="synthetic",
        layout=mediapipe_holistic(),
        frames_per_second=FRAMES_PER_SECOND,
        items=items,
        source=source,
        # Its error is under 1/1000 of a shoulder width: the signer stays inside the frame.
        dtype="float16",
        **more,
    )
