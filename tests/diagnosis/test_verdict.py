"""A verdict names the cause before its consequences."""

from slr_accel.diagnosis.verdict import follows, headline, in_order
from slr_accel.findings import Finding


def test_worst_first_and_cause_before_consequence() -> None:
    found = in_order(
        [
            Finding("note", "no_frame_rate", "n."),
            Finding("error", "constant_output", "c."),
            Finding("warning", "overfitting", "o."),
            Finding("error", "blocks_swapped", "s.", "", "likely"),
        ]
    )
    codes = [finding.code for finding in found]
    assert codes == ["blocks_swapped", "constant_output", "overfitting", "no_frame_rate"]
    assert headline(found, 1.0) == (
        "Blocks of the features are swapped between the splits (likely). WER is 100.0%."
    )
    assert set(follows(found)) == {"constant_output", "overfitting"}


def test_settings_that_explain_a_collapse_stand_before_it() -> None:
    dropout = Finding("warning", "high_dropout", "d.")
    states = [Finding("warning", "blank_phase", "p."), Finding("error", "blank_collapse", "b.")]
    found = in_order([*states, dropout])
    assert [finding.code for finding in found] == ["high_dropout", "blank_collapse"]
    assert in_order([dropout]) == [dropout]


def test_a_wrong_score_explains_no_state() -> None:
    found = in_order(
        [
            Finding("error", "split_overlap", "s."),
            Finding("error", "time_lost", "t."),
            Finding("error", "constant_output", "c."),
        ]
    )
    assert "(The model loses the order of time)" in follows(found)["constant_output"]
    assert follows([found[0], found[2]]) == {}


def test_a_state_alone_has_no_cause_above_it() -> None:
    assert follows([Finding("error", "blank_collapse", "b.")]) == {}


def test_evidence_of_two_sources_is_joined() -> None:
    (found,) = in_order(
        [
            Finding("warning", "uniform_output", "dev says nothing", "raise it"),
            Finding("error", "uniform_output", "step 10: entropy 1"),
        ]
    )
    assert found == Finding(
        "error", "uniform_output", "Dev says nothing. Step 10: entropy 1.", "raise it"
    )


def test_nothing_wrong() -> None:
    notes = [Finding("note", "no_frame_rate", "n.")]
    assert headline(notes, 0.25) == "Nothing wrong was found. WER is 25.0%."
