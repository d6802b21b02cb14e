"""What a checkpoint puts out is named by its state; healthy outputs raise nothing."""

from dataclasses import replace

import pytest

from slr_accel.diagnosis.checkpoint_rules import (
    Emitted,
    chance_wer,
    early_findings,
    output_findings,
    transfer_findings,
)

SENTENCES = [[f"A{i}", f"B{i}", f"C{i}"] for i in range(12)]
HEALTHY = Emitted("dev", SENTENCES, [words[:2] for words in SENTENCES], 0.1, 0.7, 0.9, 0.75)
EMPTY = replace(HEALTHY, hypotheses=[[]] * 12)


@pytest.mark.parametrize(
    ("emitted", "code"),
    [
        (replace(HEALTHY, entropy=0.99), "uniform_output"),
        (replace(EMPTY, blank_probability=0.999), "blank_collapse"),
        (EMPTY, "blank_phase"),
        (replace(HEALTHY, hypotheses=[["W1"]] * 12), "constant_output"),
        (replace(HEALTHY, hypotheses=[2 * words for words in SENTENCES]), "insertion_explosion"),
    ],
)
def test_states_are_named(emitted: Emitted, code: str) -> None:
    assert [finding.code for finding in output_findings(emitted)] == [code]


def test_healthy_outputs_raise_nothing() -> None:
    assert not list(output_findings(HEALTHY))


def test_early_in_a_run_a_state_is_a_note() -> None:
    (early,) = early_findings(EMPTY, 0.05)
    (late,) = early_findings(EMPTY, 0.5)
    (unknown,) = early_findings(EMPTY, None)
    assert (early.severity, late, unknown) == ("note", *2 * tuple(output_findings(EMPTY)))


def test_many_steps_a_label_make_a_high_blank_probability_usual() -> None:
    sparse = replace(EMPTY, blank_probability=0.985, expected_blank=0.98)
    assert [finding.code for finding in output_findings(sparse)] == ["blank_phase"]


def test_a_bias_towards_blank_is_evidence_of_a_collapse() -> None:
    (finding,) = output_findings(replace(EMPTY, blank_probability=0.999, blank_bias=10))
    assert "10.0 nats ahead" in finding.problem and "whose bias is 0" in finding.cure


def test_what_is_known_by_heart_but_not_of_the_other_split() -> None:
    train = replace(HEALTHY, split="train")
    mixed = replace(HEALTHY, hypotheses=[*SENTENCES[5:], *SENTENCES[:5]])
    (finding,) = transfer_findings(train, mixed)
    assert finding.code == "no_transfer" and "nothing to do with" in finding.problem
    assert not list(transfer_findings(train, HEALTHY))
    assert not list(transfer_findings(replace(EMPTY, split="train"), mixed))


def test_chance_is_that_of_other_sentences() -> None:
    assert chance_wer(replace(HEALTHY, references=[["A"]] * 8, hypotheses=[["A"]] * 8)) == 0
    assert chance_wer(replace(HEALTHY, references=[["A"]] * 3, hypotheses=[["A"]] * 3)) is None
