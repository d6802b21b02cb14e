"""What a split may be called, and what is said where a corpus has none of a name."""

from __future__ import annotations

import re
from collections.abc import Collection

SPLIT_NAME = re.compile(r"[\w-]*[^\W_][\w-]*")
"""Letters, digits, _ and -, at least one letter or digit."""

FOR_VALIDATION = ("dev", "val", "valid", "validation")
"""Names, in lower case, of what people validate on."""


def as_written(wanted: str, names: Collection[str]) -> str:
    """Words for a message: which split is `wanted` but for its capitals; empty where none is."""
    alike = [name for name in sorted(names) if name.lower() == wanted.lower()]
    return f". Names are compared as written: {alike[0]} is not {wanted}" if alike else ""


def how_to_validate(wanted: str, names: Collection[str]) -> str:
    """What to do about a corpus without the split `wanted`, which training would validate on."""
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
