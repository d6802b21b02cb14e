"""Compares systems on the same sentences: rates, paired tests, and sentences that changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slr_accel.scoring.bootstrap import paired_test
from slr_accel.scoring.scored import ScoredSequence, count_errors

Sentences = Mapping[str, ScoredSequence]
"""The sentences of one system, by id."""


def shared_ids(systems: Sequence[Sentences]) -> tuple[list[str], list[str]]:
    """The ids that all systems scored on the same words, and those that only some did."""
    first, others = systems[0], systems[1:]
    shared = [
        name
        for name, own in first.items()
        if all(name in other and other[name].reference == own.reference for other in others)
    ]
    known = dict.fromkeys(name for system in systems for name in system)
    same = set(shared)
    return shared, [name for name in known if name not in same]


def against_first(systems: Sequence[Sentences], ids: Sequence[str]) -> list[dict[str, Any] | None]:
    """The paired test of every system after the first with the first one, on the given ids; None
    of one sentence. Differences are those of WER, negative where the later system is better."""
    first = [systems[0][name].counts for name in ids]
    tests = [paired_test([system[name].counts for name in ids], first) for system in systems[1:]]
    return [None if test is None else test._asdict() for test in tests]


def signers(systems: Sequence[Sentences], ids: Sequence[str]) -> dict[str, list[float]]:
    """The WER of each system by signer."""
    names = sorted({systems[0][name].signer for name in ids})
    return {
        signer: [
            count_errors([s[name] for name in ids if s[name].signer == signer])["wer"]
            for s in systems
        ]
        for signer in names
    }


def changed(systems: Sequence[Sentences], ids: Sequence[str]) -> list[dict[str, Any]]:
    """The sentences that not all systems read alike, those with the most different counts first."""
    found = []
    for name in ids:
        own = [system[name] for system in systems]
        if any(sequence.hypothesis != own[0].hypothesis for sequence in own):
            errors = [sequence.counts.errors for sequence in own]
            found.append(
                {
                    "id": name,
                    "signer": own[0].signer,
                    "reference": own[0].reference,
                    "hypotheses": [sequence.hypothesis for sequence in own],
                    "errors": errors,
                }
            )
    return sorted(found, key=lambda one: (min(one["errors"]) - max(one["errors"]), one["id"]))


def differing(settings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The settings that are not the same in all runs, each with its values; None where absent."""
    names = dict.fromkeys(name for own in settings for name in own)
    values = {name: [own.get(name) for own in settings] for name in names}
    return {name: own for name, own in values.items() if any(v != own[0] for v in own)}
