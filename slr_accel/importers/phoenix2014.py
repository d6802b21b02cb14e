"""`slr-accel prepare phoenix2014`: reads RWTH-PHOENIX-Weather 2014 with landmarks.

The release asks to cite Koller, Forster, Ney: Continuous sign language recognition: towards large
vocabulary statistical recognition systems handling multiple signers (CVIU 141, 2015), and Koller,
Zargaran, Ney: Re-Sign (CVPR 2017).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from slr_accel.importers.holistic_arrays import USUAL_ORDER
from slr_accel.importers.listing import Listing
from slr_accel.importers.phoenix import (
    FEATURES_HELP,
    SPLITS,
    Release,
    add_feature_arguments,
    list_release,
)

DESCRIPTION = f"""\
RWTH-PHOENIX-Weather 2014 with landmarks. RELEASE is the folder phoenix2014-release, or one of the
two in it, with annotations/manual/train.corpus.csv (or train.SI5.corpus.csv), dev and test.

{FEATURES_HELP}
Glosses are stored as annotated; a setting of training cleans them.
"""

COLUMNS = {"id": "id", "signer": "signer", "labels": "annotation"}
BROKEN = {
    "13April_2011_Wednesday_tagesschau_default-14": "this recording is known to be broken; "
    "published work leaves it out, too"
}
PARTS = {
    "multisigner": ("phoenix-2014-multisigner", "{split}.corpus.csv", (5672, 540, 629)),
    "si5": ("phoenix-2014-signerindependent-SI5", "{split}.SI5.corpus.csv", (4376, 111, 180)),
}
"""{partition: its folder, its files, how many annotations train, dev and test have}"""
PARTITIONS = {
    name: Release(
        importer="phoenix2014",
        folder=folder,
        file_name=file_name,
        sequences=dict(zip(SPLITS, counts, strict=True)),
        columns=COLUMNS,
        broken=BROKEN,
        source={"partition": name},
    )
    for name, (folder, file_name, counts) in PARTS.items()
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--partition",
        choices=PARTITIONS,
        help="signers shared by all splits, or signer 05 in dev and test alone [multisigner, or "
        "si5 where RELEASE holds nothing else]",
    )
    add_feature_arguments(parser)


def list_sequences(args: argparse.Namespace) -> Listing:
    return list_phoenix2014(
        args.release, args.features, args.partition, args.block_order, args.missing, args.fps
    )


def list_phoenix2014(
    release: Path,
    features: Path,
    partition: str | None = None,
    block_order: str = USUAL_ORDER,
    missing: str = "zeros",
    fps: float | None = None,
) -> Listing:
    """Lists the sequences of a partition; for the other arguments see `phoenix.list_release`.

    Args:
        release: folder of the release, or of one of its partitions.
        partition: `multisigner` or `si5`; None takes the first of them that exists.
    """
    found = [PARTITIONS[partition]] if partition else list(PARTITIONS.values())
    return list_release(found, release, features, block_order, missing, fps)
