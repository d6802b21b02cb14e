"""`slr-accel prepare phoenix2014t`: reads RWTH-PHOENIX-Weather 2014 T with landmarks.

Camgoz, Hadfield, Koller, Ney, Bowden: Neural sign language translation. CVPR 2018.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from slr_accel.importers.holistic_arrays import USUAL_ORDER
from slr_accel.importers.listing import Listing
from slr_accel.importers.phoenix import FEATURES_HELP, Release, add_feature_arguments, list_release

DESCRIPTION = f"""\
RWTH-PHOENIX-Weather 2014 T with landmarks. RELEASE is the folder PHOENIX-2014-T-release-v3 or the
one in it, with annotations/manual/PHOENIX-2014-T.train.corpus.csv, dev and test.

{FEATURES_HELP}
Glosses are stored as annotated; a setting of training cleans them. The German sentence is
stored as `text`.
"""

RELEASE = Release(
    "phoenix2014t",
    "PHOENIX-2014-T",
    "PHOENIX-2014-T.{split}.corpus.csv",
    {"train": 7096, "dev": 519, "test": 642},
    {"id": "name", "signer": "speaker", "labels": "orth", "text": "translation"},
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_feature_arguments(parser)


def list_sequences(args: argparse.Namespace) -> Listing:
    return list_phoenix2014t(args.release, args.features, args.block_order, args.missing, args.fps)


def list_phoenix2014t(
    release: Path,
    features: Path,
    block_order: str = USUAL_ORDER,
    missing: str = "zeros",
    fps: float | None = None,
) -> Listing:
    """Lists the sequences of the release; for the other arguments see `phoenix.list_release`."""
    return list_release([RELEASE], release, features, block_order, missing, fps)
