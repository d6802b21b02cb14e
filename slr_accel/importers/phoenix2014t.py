"""`slr-accel prepare phoenix2014t`: the RWTH-PHOENIX-Weather 2014 T release with landmarks.

Camgoz, Hadfield, Koller, Ney, Bowden: Neural sign language translation. CVPR 2018.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from slr_accel.importers.holistic_arrays import BLOCK_ORDER
from slr_accel.importers.listing import Listing
from slr_accel.importers.phoenix import (
    FEATURES_HELP,
    Release,
    add_feature_arguments,
    annotation_files,
    list_release,
    no_annotations,
)

DESCRIPTION = f"""\
RWTH-PHOENIX-Weather 2014 T with landmarks. RELEASE is the folder PHOENIX-2014-T-release-v3 or the
one in it, with annotations/manual/PHOENIX-2014-T.train.corpus.csv, dev and test.

{FEATURES_HELP}
Glosses are kept as annotated; how they are cleaned is a setting of training. The German sentence is
kept as `text`.
"""

FOLDER = "PHOENIX-2014-T"
FILE_NAME = "PHOENIX-2014-T.{split}.corpus.csv"
SEQUENCES = {"train": 7096, "dev": 519, "test": 642}
COLUMNS = {"id": "name", "signer": "speaker", "labels": "orth", "text": "translation"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--release", required=True, type=Path, help="folder of the release")
    add_feature_arguments(parser)


def list_sequences(args: argparse.Namespace) -> Listing:
    return list_phoenix2014t(
        args.release, args.features, block_order=args.block_order, missing=args.missing
    )


def list_phoenix2014t(
    release: Path,
    features: Path,
    *,
    block_order: str = ",".join(BLOCK_ORDER),
    missing: str = "zeros",
) -> Listing:
    """The sequences of the release; see `phoenix.list_release`."""
    files = annotation_files(release, FOLDER, FILE_NAME)
    if not files:
        raise ValueError(no_annotations(release, [(FOLDER, FILE_NAME)]))
    found = Release("phoenix2014t", files, COLUMNS, SEQUENCES, broken={}, source={})
    return list_release(found, features, block_order, missing)
