"""Implements `slr-accel lm train CORPUS --out lm.arpa`: a language model for beam search."""

from __future__ import annotations

import argparse
from pathlib import Path

from slr_accel.commands.help_text import Description
from slr_accel.labels.policies import LABEL_POLICIES

DESCRIPTION = """\
Trains an n-gram language model (interpolated modified Kneser-Ney) on the train split of a corpus,
or on sentences of a text file, and writes it in the ARPA format, which KenLM and others read too:

  slr-accel lm train corpora/mine --out lm.arpa
  slr-accel evaluate runs/mine --decoder beam --language_model lm.arpa

Labels become words by the label policy of the run that is to be decoded. With characters the model
is one over words, and recognition spells no other words than these. The perplexity of held-out
sentences says whether the model is of use: where it is that of single words, decoding gives the
model no weight.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = Description
    parser.description = DESCRIPTION
    parser.add_argument("action", choices=("train",), metavar="train")
    parser.add_argument(
        "data_dir", nargs="?", metavar="CORPUS", help="a folder or an address; its train split"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the ARPA file")
    parser.add_argument("--order", type=int, default=3, help="words of the longest n-grams [3]")
    parser.add_argument(
        "--text", type=Path, metavar="FILE", help="a sentence a line, instead of CORPUS"
    )
    parser.add_argument(
        "--label_policy", choices=LABEL_POLICIES, default="raw", help="that of the run [raw]"
    )


def run(args: argparse.Namespace) -> int:
    from slr_accel.ctc.kneser_ney import held_out_perplexities, train_language_model
    from slr_accel.ctc.language_model import write_arpa

    if (args.data_dir is None) == (args.text is None):
        raise ValueError("give either a CORPUS, whose train split is learned from, or --text FILE")
    if not args.out.absolute().parent.is_dir():
        raise ValueError(f"{args.out}: there is no folder {args.out.parent}; make it")
    labels = _corpus(args.data_dir) if args.text is None else _text(args.text)
    sentences = _words(args.label_policy, labels)
    model = train_language_model(sentences, args.order)
    model.held_out = held_out_perplexities(sentences, args.order)
    write_arpa(model, args.out)
    lengths = [len(ngram) for ngram in model.probabilities]
    ngrams = " / ".join(f"{lengths.count(order):,}" for order in range(1, args.order + 1))
    print(
        f"{args.out}: order {args.order}, {len(model.words):,} words, n-grams {ngrams}, "
        f"from {len(sentences):,} sentences"
    )
    if model.held_out is not None:
        perplexity, of_words = model.held_out
        print(
            f"perplexity of held-out sentences {perplexity:.1f}, of single words {of_words:.1f}"
            + (f": decoding takes {model.weight:.0%} of its weights" if model.weight < 1 else "")
        )
        spoken = [tuple(words) for words in sentences if words]
        if copies := len(spoken) - len(set(spoken)):
            print(
                f"{copies:,} of {len(spoken):,} sentences are copies of others: held-out ones are "
                "among those learned from, and the perplexity of new sentences is higher"
            )
    return 0


def _corpus(data_dir: str) -> list[list[str]]:
    from slr_accel.corpus.reader import open_corpus

    corpus = open_corpus(data_dir)
    return [corpus.labels(row) for row in corpus.rows.of_split("train")]


def _text(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: is no readable text in UTF-8 ({error})") from None


def _words(policy: str, labels: list[list[str]]) -> list[list[str]]:
    """The words of each sentence under the label policy, the empty sentences left out."""
    from slr_accel.labels.policies import train_labels, word_spans

    spoken = [word_spans(policy, train_labels(policy, words)) for words in labels]
    return [[span.word for span in spans] for spans in spoken if spans]
