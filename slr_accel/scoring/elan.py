"""Writes words with times for ELAN, the annotation program of sign linguists."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from slr_accel.optional_packages import how_to_install
from slr_accel.scoring.ctm import CtmRow


def elan_is_installed() -> bool:
    return find_spec("pympi") is not None


def check_elan_is_installed() -> None:
    """Raises ValueError that says how to install what writes .eaf files."""
    if not elan_is_installed():
        raise ValueError(f"eaf files need the package pympi-ling: {how_to_install('elan')}")


def write_eaf(path: Path, tiers: Mapping[str, list[CtmRow]]) -> None:
    """Writes one tier of annotations for each entry, empty ones too. `path` must not exist."""
    from pympi.Elan import Eaf

    document = Eaf(author="slr-accel")
    for name, words in tiers.items():
        document.add_tier(name)
        for word in words:
            start = round(1000 * word.start)
            end = max(round(1000 * (word.start + word.duration)), start + 1)
            document.add_annotation(name, start, end, word.token)
    document.remove_tier("default")
    document.to_file(str(path))
