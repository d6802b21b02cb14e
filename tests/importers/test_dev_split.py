"""Sequences without a split are divided alike everywhere, and every label is trained on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slr_accel.importers.dev_split import assign_splits

LABELLED = st.dictionaries(st.text(min_size=1), st.lists(st.sampled_from("ABC"), max_size=2))


def numbered(counts: dict[str, int]) -> dict[str, list[str]]:
    return {f"{word}/{n}": [word] for word, count in counts.items() for n in range(count)}


@given(LABELLED, st.floats(0, 0.99))
def test_the_share_of_dev_is_what_was_asked_for(labels_of, share):
    split_of = assign_splits(labels_of, share)
    assert split_of.keys() == labels_of.keys()
    assert list(split_of.values()).count("dev") == round(share * len(labels_of))


@given(LABELLED, st.floats(0, 0.99), st.randoms())
def test_the_order_of_the_source_does_not_matter(labels_of, share, random):
    shuffled = list(labels_of.items())
    random.shuffle(shuffled)
    assert assign_splits(dict(shuffled), share) == assign_splits(labels_of, share)


def test_dev_is_spread_over_the_labels():
    split_of = assign_splits(numbered({"HELLO": 10, "THANKS": 10, "SIGN": 5}), 0.2)
    dev = [id.partition("/")[0] for id, split in split_of.items() if split == "dev"]
    assert sorted(dev) == ["HELLO", "HELLO", "SIGN", "THANKS", "THANKS"]


def test_the_only_sequence_of_a_label_is_trained_on_while_others_have_more():
    split_of = assign_splits(numbered({"HELLO": 8, "RARE": 1}), 0.5)
    assert split_of["RARE/0"] == "train"


def test_sequences_that_all_differ_are_divided_too():
    assert (
        list(assign_splits(numbered({str(n): 1 for n in range(10)}), 0.3).values()).count("dev")
        == 3
    )


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_leaves_nothing_to_train_on_is_refused(share):
    with pytest.raises(ValueError, match="--dev_share"):
        assign_splits(numbered({"HELLO": 3}), share)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_whole_signers_come_as_near_to_the_share_as_their_sizes_let_them(share):
    ids = numbered({"HELLO": 200})
    signers = {id: f"s{number % 10}" for number, id in enumerate(ids)}
    split_of = assign_splits(ids, share, signers)
    of_split = {s: {signers[id] for id in ids if split_of[id] == s} for s in ("train", "dev")}
    assert not of_split["train"] & of_split["dev"]
    assert len(of_split["dev"]) == round(10 * share)


def test_one_signer_alone_cannot_be_held_out():
    ids = numbered({"HELLO": 3})
    with pytest.raises(ValueError, match="--by_signer: all sequences are of the signer 'anna'"):
        assign_splits(ids, 0.2, dict.fromkeys(ids, "anna"))
