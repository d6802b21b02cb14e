"""A language model adds what it says of the sentence, and a lexicon lets no other words in."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from slr_accel.ctc.beam import prefix_beam_search
from slr_accel.ctc.decoders import make_decoder
from slr_accel.ctc.grammars import TokenGrammar, make_grammar
from slr_accel.ctc.kneser_ney import train_language_model
from slr_accel.ctc.language_model import END, write_arpa
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.scoring.words import recognised_texts
from slr_accel.settings.decoding import DecodingSettings

SENTENCES = [["A", "B", "C"], ["A", "B"], ["B", "C", "A"], ["C"], ["A", "B", "C"]]
ALPHA, BETA = 0.7, 0.3
GLOSSES = Vocabulary(("A", "B", "C", "NEW"), "raw")
LETTERS = Vocabulary(("a", "b", "c", "|"), "characters")


def settings(path: Path, sentences: list[list[str]], **options: float) -> DecodingSettings:
    write_arpa(train_language_model(sentences, 3), path)
    return DecodingSettings(decoder="beam", language_model=str(path), **options)


def outputs(seed: int, steps: int, outputs: int) -> torch.Tensor:
    logits = np.random.default_rng(seed).normal(size=(1, steps, outputs))
    return torch.from_numpy(logits).float().log_softmax(-1)


def test_tokens_and_the_end_of_the_sentence_add_their_weighted_log_probabilities(
    tmp_path: Path,
) -> None:
    chosen = settings(tmp_path / "lm.arpa", SENTENCES, alpha=ALPHA, beta=BETA)
    grammar = make_grammar(chosen, GLOSSES)
    assert isinstance(grammar, TokenGrammar)
    model = train_language_model(SENTENCES, 3)
    for tokens in product(range(1, 5), repeat=3):
        state, context = grammar.start, model.first_context
        for token, word in zip(tokens, GLOSSES.decode(tokens), strict=True):
            gains = grammar.gains(state)
            expected = ALPHA * math.log(10) * model.log10(context, word) + BETA
            assert gains[token] == pytest.approx(expected, abs=1e-6)
            assert gains[token] <= grammar.largest_gain
            state, context = grammar.after(state, token), model.context(context, word)
        expected = ALPHA * math.log(10) * model.log10(context, END)
        assert grammar.end(state) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("held_out", "weight"), [((9.0, 12.0), 0.5), ((12.0, 12.0), 0.0)])
def test_a_model_that_predicts_no_better_than_single_words_weighs_less(
    held_out: tuple[float, float], weight: float, tmp_path: Path
) -> None:
    chosen = settings(tmp_path / "lm.arpa", SENTENCES, alpha=ALPHA, beta=BETA)
    whole = make_grammar(chosen, GLOSSES)
    model = train_language_model(SENTENCES, 3)
    model.held_out = held_out
    write_arpa(model, tmp_path / "lm.arpa")
    grammar = make_grammar(chosen, GLOSSES)
    assert whole and grammar
    assert np.allclose(grammar.gains(grammar.start), weight * whole.gains(whole.start))
    assert grammar.end(grammar.start) == pytest.approx(weight * whole.end(whole.start))


def test_the_best_sentence_has_the_best_sum_of_both_models(tmp_path: Path) -> None:
    chosen = settings(tmp_path / "lm.arpa", SENTENCES, alpha=ALPHA, beta=BETA)
    model = train_language_model(SENTENCES, 3)
    log_probs, lengths = outputs(0, 5, 5), torch.tensor([5])
    best = prefix_beam_search(log_probs, lengths, beam=3000, grammar=make_grammar(chosen, GLOSSES))
    plain = prefix_beam_search(log_probs, lengths, beam=3000)
    ranked = {
        tuple(s.tokens): s.log_prob
        + ALPHA * math.log(10) * model.sentence_log10(GLOSSES.decode(s.tokens))
        + BETA * len(s.tokens)
        for s in plain[0]
    }
    assert {tuple(s.tokens): pytest.approx(s.score, abs=1e-5) for s in best[0]} == ranked
    assert best[0][0].tokens != plain[0][0].tokens


def test_characters_spell_the_words_of_the_language_model_alone(tmp_path: Path) -> None:
    words = [["ab", "c"], ["cab"], ["ab", "ab"], ["odd"]]
    chosen = settings(tmp_path / "lm.arpa", words, alpha=ALPHA, beta=BETA)
    model = train_language_model(words, 3)
    log_probs, lengths = outputs(1, 6, 5), torch.tensor([6])
    grammar = make_grammar(chosen, LETTERS)
    found = prefix_beam_search(log_probs, lengths, beam=3000, grammar=grammar)[0]
    plain = {
        tuple(s.tokens): s.log_prob for s in prefix_beam_search(log_probs, lengths, beam=6000)[0]
    }
    assert found[0].tokens and len(found) > 5
    for scored in found:
        spelled = "".join(LETTERS.decode(scored.tokens))
        said = spelled.removesuffix("|").split("|") if spelled else []
        assert set(said) <= {"ab", "c", "cab"}  # `odd` has letters that the vocabulary lacks
        expected = (
            plain[tuple(scored.tokens)]
            + ALPHA * math.log(10) * model.sentence_log10(said)
            + BETA * len(said)
        )
        assert scored.score == pytest.approx(expected, abs=1e-5)


def test_a_word_that_was_cut_off_is_still_said_where_nothing_else_is_left(tmp_path: Path) -> None:
    chosen = settings(tmp_path / "lm.arpa", [["cab"]], beam=1)
    log_probs = torch.full((1, 2, 5), -20.0)
    log_probs[0, 0, LETTERS.encode("c")], log_probs[0, 1, LETTERS.encode("a")] = -0.1, -0.1
    hypotheses = make_decoder(chosen, LETTERS)(log_probs, torch.tensor([2]))
    assert recognised_texts(LETTERS, hypotheses) == [["ca"]]


def test_a_model_over_characters_is_one_over_tokens(tmp_path: Path) -> None:
    chosen = settings(tmp_path / "lm.arpa", [list("ab|c"), list("c|ab")])
    assert isinstance(make_grammar(chosen, LETTERS), TokenGrammar)


def test_a_model_of_other_words_is_refused(tmp_path: Path) -> None:
    chosen = settings(tmp_path / "lm.arpa", [["x", "y"]])
    for vocabulary in (GLOSSES, LETTERS):
        with pytest.raises(ValueError, match="has no word of the vocabulary; it has x, y"):
            make_decoder(chosen, vocabulary)
