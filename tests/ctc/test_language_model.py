"""A language model's probabilities sum to 1, survive a file, and are those that KenLM reads."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slr_accel.ctc.kneser_ney import held_out_perplexities, train_language_model
from slr_accel.ctc.language_model import (
    END,
    START,
    UNKNOWN,
    LanguageModel,
    read_arpa,
    write_arpa,
)

FOREIGN = """\
made by another toolkit

\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-0.5\t</s>
-99 <s> -0.2
-0.4\tA\t-0.3
-0.8\tB

\\2-grams:
-0.1 <s> A
-0.25\tA B

\\end\\
"""
words = st.lists(st.sampled_from(["A", "B", "C", "D", "E", "F"]), max_size=6)


def made_up(seed: int, count: int) -> list[list[str]]:
    """Sentences of a few frequent and many rare words, each of which favours some others."""
    random = np.random.default_rng(seed)
    rare = 1 / np.arange(1, 41)
    return [
        [f"w{random.choice(40, p=rare / rare.sum()) // (1 + place % 2)}" for place in range(length)]
        for length in random.integers(1, 9, count)
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(words, min_size=1, max_size=12).filter(any), st.integers(1, 4))
def test_the_probabilities_after_any_context_sum_to_one(
    sentences: list[list[str]], order: int
) -> None:
    model = train_language_model(sentences, order)
    every = [*model.words, END, UNKNOWN]
    contexts = {(), *(c for c in model.backoffs if END not in c)}
    assert (START,) in contexts or order == 1
    for context in contexts:
        total = math.fsum(10 ** model.log10(context, word) for word in every)
        assert total == pytest.approx(1, abs=1e-9)


def test_modified_kneser_ney_by_hand() -> None:
    """Bigrams of `A B` and `A A`, with the discounts for small corpora: 0.5 of what was seen once,
    1 of what was seen twice."""
    model = train_language_model([["A", "B"], ["A", "A"]], 2)
    # Different words before: A has <s> and A, B has A, </s> has B and A: 5 in all, of which the
    # discounts leave 2.5 / 5 to the 4 words that are possible.
    unigram = {"A": 1 / 5 + 0.5 / 4, "B": 0.5 / 5 + 0.5 / 4, END: 1 / 5 + 0.5 / 4}
    for word, probability in unigram.items():
        assert 10 ** model.log10((), word) == pytest.approx(probability)
    assert 10 ** model.log10((), "ELSE") == pytest.approx(0.5 / 4)
    # After A come B, A and </s>, each once: 0.5 of each is left over, and 1.5 / 3 backs off.
    assert 10 ** model.log10(("A",), "B") == pytest.approx(0.5 / 3 + 0.5 * unigram["B"])
    assert 10 ** model.log10(("A",), "ELSE") == pytest.approx(0.5 * 0.5 / 4)
    # <s> A was seen twice.
    assert 10 ** model.log10((START,), "A") == pytest.approx((2 - 1) / 2 + 0.5 * unigram["A"])


def test_discounts_are_estimated_where_counts_allow_it() -> None:
    often = {1: 4, 2: 3, 3: 2, 4: 1}  # four words once, three twice, ...
    words = [f"{n}{letter}" for n, many in often.items() for letter in "abcd"[:many]]
    model = train_language_model([[word] for word in words for _ in range(int(word[0]))], 1)
    # Y = 4 / (4 + 2 x 3) = 0.4, so D1 = 1 - 2 Y 3 / 4, D2 = 2 - 3 Y 2 / 3, D3 = 3 - 4 Y 1 / 2.
    discounts = {1: 0.4, 2: 1.2, 3: 2.2, 4: 2.2}
    left_over = (4 * 0.4 + 3 * 1.2 + 3 * 2.2 + 2.2) / 40  # of 20 words and 20 ends of sentences
    for word in words:
        count = int(word[0])
        expected = (count - discounts[count]) / 40 + left_over / (len(words) + 2)
        assert 10 ** model.log10((), word) == pytest.approx(expected)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_kenlm_reads_the_same_probabilities(order: int, tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm")
    sentences = made_up(order, 200)
    path = tmp_path / "lm.arpa"
    model = train_language_model(sentences, order)
    model.held_out = (7.5, 20.25)
    write_arpa(model, path)
    theirs = kenlm.Model(str(path))
    for sentence in [*made_up(99, 100), ["never", "w1", "seen"], [], *sentences[:20]]:
        expected = theirs.score(" ".join(sentence), bos=True, eos=True)
        assert model.sentence_log10(sentence) == pytest.approx(expected, abs=1e-5)


def test_a_file_holds_the_whole_model(tmp_path: Path) -> None:
    model = train_language_model(made_up(1, 50), 3)
    model.held_out = (7.5, 20.25)
    write_arpa(model, tmp_path / "lm.arpa")
    again = read_arpa(tmp_path / "lm.arpa")
    assert again.order == 3 and again.words == model.words and again.held_out == (7.5, 20.25)
    for sentence in made_up(2, 20):
        expected = model.sentence_log10(sentence)
        assert again.sentence_log10(sentence) == pytest.approx(expected, abs=1e-5)


def test_the_file_of_another_toolkit_is_read_as_kenlm_reads_it(tmp_path: Path) -> None:
    (tmp_path / "lm.arpa").write_text(FOREIGN)
    model = read_arpa(tmp_path / "lm.arpa")
    assert model.words == {"A", "B"}
    assert model.log10(model.first_context, "A") == -0.1
    assert model.log10(("A",), "B") == -0.25
    assert model.log10(("A",), "A") == pytest.approx(-0.3 - 0.4)
    assert model.log10(("B",), "A") == pytest.approx(-0.4)
    assert model.sentence_log10(["B"]) == pytest.approx(-0.2 - 0.8 - 0.5)
    assert model.log10((), "ELSE") == -100
    kenlm = pytest.importorskip("kenlm")
    strict = FOREIGN.partition("\n\n")[2]  # it reads no comments, and tabs between columns alone
    strict = strict.replace("-99 <s> -0.2", "-99\t<s>\t-0.2").replace("-0.1 <s>", "-0.1\t<s>")
    (tmp_path / "lm.arpa").write_text(strict)
    theirs = kenlm.Model(str(tmp_path / "lm.arpa"))
    for sentence in (["A", "B"], ["B", "B", "A"], ["A", "ELSE", "A"]):
        expected = theirs.score(" ".join(sentence))
        assert model.sentence_log10(sentence) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "change, message",
    [
        (("\\data\\", "data"), "is no ARPA file"),
        (("\\end\\", ""), "breaks off"),
        (("-0.8\tB", "B"), "line 11: 'B' does not belong here"),
        (("ngram 2=2", "ngram 2=3"), "says that it has 3 2-grams, and has 2"),
        (("-0.5\t</s>", "-0.5\tC"), "has no </s>"),
        (("-0.8\tB", "nan? B"), "line 11"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(
    change: tuple[str, str], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "lm.arpa"
    path.write_text(FOREIGN.replace(*change))
    with pytest.raises(ValueError) as error:
        read_arpa(path)
    assert str(path) in str(error.value) and message in str(error.value)


def test_a_binary_model_and_no_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "lm.bin").write_bytes(bytes(range(256)))
    with pytest.raises(ValueError, match="is no ARPA file in UTF-8"):
        read_arpa(tmp_path / "lm.bin")
    with pytest.raises(ValueError, match="cannot be read"):
        read_arpa(tmp_path / "absent.arpa")


def test_what_cannot_be_trained_on_is_refused() -> None:
    with pytest.raises(ValueError, match="no sentence"):
        train_language_model([[], []], 3)
    with pytest.raises(ValueError, match="'<s>' is a mark"):
        train_language_model([["A", "<s>"]], 3)
    with pytest.raises(ValueError, match="'A B' holds a blank"):
        train_language_model([["A B"]], 3)
    with pytest.raises(ValueError, match="order of the language model is 0"):
        train_language_model([["A"]], 0)


def test_sentences_shorter_than_the_order_are_learned_from() -> None:
    model: LanguageModel = train_language_model([["A"]], 5)
    assert model.sentence_log10(["A"]) > model.sentence_log10(["A", "A"])


def test_held_out_sentences_are_predicted_by_models_of_the_others() -> None:
    sentences = made_up(3, 45)
    nats, predicted = [0.0, 0.0], 0
    for part in range(10):
        held = sentences[part::10]
        others = [words for place, words in enumerate(sentences) if place % 10 != part]
        for i, order in enumerate((3, 1)):
            model = train_language_model(others, order)
            nats[i] -= sum(math.log(10) * model.sentence_log10(words) for words in held)
        predicted += sum(len(words) + 1 for words in held)
    found = held_out_perplexities([*sentences[:40], [], *sentences[40:]], 3)
    assert found == pytest.approx([math.exp(n / predicted) for n in nats])
    assert held_out_perplexities(sentences[:19], 3) is None


def test_a_model_weighs_as_much_as_the_order_of_words_tells() -> None:
    random = np.random.default_rng(0)
    letters = list("ABCDEFGH")
    ordered = [letters[start : start + 4] for start in random.integers(0, 5, 300)]
    mixed = [random.choice(letters, random.integers(1, 8)).tolist() for _ in range(300)]
    weights = []
    for sentences in (ordered, mixed):
        model = LanguageModel(3, held_out=held_out_perplexities(sentences, 3))
        weights.append(model.weight)
    assert weights[0] == 1 and weights[1] < 0.2
    assert LanguageModel(3).weight == 1
