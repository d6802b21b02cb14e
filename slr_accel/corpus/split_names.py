"""Defines the names that splits may have, and hints for splits that a corpus does not have."""

from __future__ import annotations

import re
from collections.abc import Collection

SPLIT_NAME = re.compile(r"[\w-]*[^\W_][\w-]*")
"""Letters, digits, _ and -, at least one letter or digit."""

FOR_VALIDATION = ("dev", "val", "valid", "validation")
"""Usual names, in lower case, of the split to validate on."""
USUAL = {"train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    FOR_VALIDATION, "dev"
)
"""{usual word for a split, in lower case: ours}"""


def split_in_name(name: str) -> str | None:
    """train, dev or test, where the name of a file or folder has such a word; else None."""
    words = re.split(r"[^a-z]+", name.lower())
    return next((USUAL[word] for word in words if word in USUAL), None)


def hint_at_case(wanted: str, names: Collection[str]) -> str:
    """Words for a message where a split differs from `wanted` in capitals alone; else empty."""
    alike = [name for name in sorted(names) if name.lower() == wanted.lower()]
    return f". Names are compared as written: {alike[0]} is not {wanted}" if alike else ""


def how_to_validate(wanted: str, names: Collection[str]) -> str:
    """Words for a message: the cure where the split to validate on, `wanted`, is missing."""
    lower = {name.lower(): name for name in sorted(names)}
    likely = [lower[name] for name in (wanted.lower(), *FOR_VALIDATION) if name in lower]
    if likely:
        return f"give --eval_split {likely[0]}"
    divide = (
        f"change `split` to `{wanted}` in some rows of its index, of sentences, better of signers, "
        "that train does not have, and prepare it anew"
    )
    if "test" in lower:
        return f"{divide}; --eval_split {lower['test']} leaves nothing unseen to test on"
    return divide + ("; or name another with --eval_split" if set(names) - {"train"} else "")
