"""Reads the glosses of a tier of an ELAN file (.eaf), with their times."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from slr_accel.corpus.sequence import UNKNOWN_SIGNER
from slr_accel.corpus.split_names import split_in_name
from slr_accel.importers.field_annotations import Annotation

MOST_BYTES = 200_000_000


def read_elan(path: Path, tier: str | None) -> Annotation:
    """The labels of a tier in the order of their times; the file's name is the recording's.

    Args:
        tier: its TIER_ID; None takes the only one whose name has `gloss` in it, or the only tier.

    Raises:
        ValueError: the file is no ELAN file, or has no such tier.
    """
    root = _parse(path)
    times = {
        slot.get("TIME_SLOT_ID"): float(slot.get("TIME_VALUE", "nan")) / 1000
        for slot in root.iter("TIME_SLOT")
    }
    chosen = _tier(path, root, tier)
    marks = []
    for annotation in chosen.iter("ALIGNABLE_ANNOTATION"):
        label = "-".join((annotation.findtext("ANNOTATION_VALUE") or "").split())
        start = times.get(annotation.get("TIME_SLOT_REF1"))
        end = times.get(annotation.get("TIME_SLOT_REF2"))
        if label and (start is None or end is None or not start < end):
            raise ValueError(
                f"{path}: {label} of the tier {chosen.get('TIER_ID')} has no times, or ends before "
                "it begins; give both in ELAN"
            )
        if label and start is not None and end is not None:
            marks.append((start, end, label))
    marks.sort()
    return Annotation(
        str(path),
        path.stem,
        [label for _, _, label in marks],
        split_in_name(path.parent.name),
        chosen.get("PARTICIPANT") or UNKNOWN_SIGNER,
        marks=tuple(marks),
    )


def _parse(path: Path) -> ElementTree.Element:
    if path.stat().st_size > MOST_BYTES or b"<!ENTITY" in path.read_bytes():
        raise ValueError(f"{path}: is larger, or of another form, than ELAN writes")
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: is no XML ({error}); save it anew in ELAN") from None
    if root.tag != "ANNOTATION_DOCUMENT":
        raise ValueError(f"{path}: is no file of ELAN, but begins with <{root.tag}>")
    return root


def _tier(path: Path, root: ElementTree.Element, name: str | None) -> ElementTree.Element:
    tiers = [t for t in root.iter("TIER") if t.find(".//ALIGNABLE_ANNOTATION") is not None]
    names = [str(t.get("TIER_ID")) for t in tiers]
    if name is not None:
        fitting = [t for t in tiers if t.get("TIER_ID") == name]
    else:
        fitting = [t for t in tiers if "gloss" in str(t.get("TIER_ID")).lower()]
        fitting = fitting or (tiers if len(tiers) == 1 else [])
    if len(fitting) != 1:
        raise ValueError(
            f"{path}: which tier has the glosses? Give --tier, one of {', '.join(names) or 'none'}"
        )
    return fitting[0]
