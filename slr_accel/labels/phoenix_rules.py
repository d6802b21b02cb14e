"""Cleans PHOENIX glosses by the rules of the official evaluation scripts.

The rules are those of `evaluation/` in the releases of RWTH-PHOENIX-Weather 2014 and 2014T (Koller,
Forster and Ney, CVIU 2015; Camgoz et al., CVPR 2018). There they apply to lines of a file; here a
line is the words of a sentence, or, as in a CTM file, a single word.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import groupby

Rule = tuple[str, str]
"""A pattern and its replacement, everywhere in the line."""

_WIE_AUSSEHEN: Rule = (r"WIE AUSSEHEN", "WIE-AUSSEHEN")
# One pass cannot join a letter to both neighbours, so the scripts take several.
_JOIN_LETTERS: Rule = (r"([ +][A-Z]) ([A-Z][ +])", r"\1+\2")
_SPELLING: tuple[Rule, ...] = (
    (r"[ +]([A-Z]) ([A-Z]) ", r" \1+\2 "),
    *(_JOIN_LETTERS, _JOIN_LETTERS, _JOIN_LETTERS),
    (r"([ +]SCH) ([A-Z][ +])", r"\1+\2"),
    (r"([ +]NN) ([A-Z][ +])", r"\1+\2"),
    (r"([ +][A-Z]) (NN[ +])", r"\1+\2"),
    (r"([ +][A-Z]) ([A-Z])$", r"\1+\2"),
)
_MERGE_REPEATS: Rule = (r"(?<![\w-])(\b[A-Z]+(?![\w-])) \1(?![\w-])", r"\1")
_STRIPPED_2014 = (
    *((prefix, "") for prefix in ("loc-", "cl-", "qu-", "poss-", "lh-")),
    ("S0NNE", "SONNE"),
    ("HABEN2", "HABEN"),
    *((mark, "") for mark in ("__EMOTION__", "__PU__", "__LEFTHAND__")),
)
"""Texts, not patterns."""
_ZEIGEN: Rule = (r"ZEIGEN(?=[ \n]|$)", "ZEIGEN-BILDSCHIRM")
_ENDINGS_2014: tuple[Rule, ...] = ((r"([A-Z][A-Z])RAUM", r"\1"), ("-PLUSPLUS", ""))
_RULES_2014: tuple[Rule, ...] = (
    _WIE_AUSSEHEN,
    _ZEIGEN,
    *_SPELLING,
    *_ENDINGS_2014,
    *(_MERGE_REPEATS,) * 4,
)
_RULES_2014_ALONE = (_ZEIGEN, *_ENDINGS_2014)
"""Those that need no neighbour."""
_DROPPED_2014 = ("__LEFTHAND__", "__EPENTHESIS__", "__EMOTION__")
_DROPPED_2014T = re.compile(r"__[^_ ]*__|.*(__LEFTHAND__|__EPENTHESIS__|__EMOTION__).*")
_WORD_2014T: tuple[Rule, ...] = (
    (r"^loc-", ""),
    (r"-PLUSPLUS$", ""),
    (r"^cl-", ""),
    (r"\b([A-Z]+)RAUM$", r"\1"),
)
_FILTERED_973 = ("__", "loc-", "cl-", "lh-", "rh-", "IX", "WG", "$GEST", "PLUSPLUS", "POS")


def clean_2014(words: list[str]) -> list[str]:
    """Cleans an annotated PHOENIX-2014 sentence to the glosses of the references.

    A removed mark leaves a gap: `LOCH __LEFTHAND__ LOCH` becomes `LOCH LOCH`. Cleaning that again
    would merge the two. A single word is cleaned as a line of a CTM file, where there is nothing to
    join or merge.
    """
    # The line begins with a space, since in the scripts' files a sentence follows other fields.
    line = _apply(_RULES_2014, _stripped_2014(" " + " ".join(words)))
    return [word for word in line.split() if not any(mark in word for mark in _DROPPED_2014)]


def clean_2014_lines(words: list[str]) -> list[str]:
    """What the scripts of 2014 make of lines of a CTM file: each of the words is cleaned alone.

    So repeats and spelled letters stay as they are, and count as insertions where the reference has
    merged or joined them. Of a mark nothing is left, an empty string.
    """
    text = _apply(_RULES_2014_ALONE, _stripped_2014("\n".join(words)))
    lines = text.split("\n") if words else []
    if not any(mark in text for mark in _DROPPED_2014):
        return lines
    return ["" if any(mark in line for mark in _DROPPED_2014) else line for line in lines]


def clean_2014t(words: list[str]) -> list[str]:
    """Cleans an annotated PHOENIX-2014T sentence to the glosses that are compared.

    Unlike in 2014, a removed word leaves no gap, equal neighbours become one, and only prefixes and
    suffixes of words are stripped. Cleaning again changes nothing, except odd words (`cl-loc-X`)
    and some spellings with NN.
    """
    kept = (_apply(_WORD_2014T, word) for word in words if not _DROPPED_2014T.fullmatch(word))
    line = _apply((_WIE_AUSSEHEN, *_SPELLING), " " + " ".join(filter(None, kept)))
    return [word for word, _ in groupby(line.split())]


def filter_973(words: list[str]) -> list[str]:
    """Keeps, unchanged, the words of the published list of 972 glosses.

    With the blank these are 973 outputs: the train split of the signer-independent PHOENIX-2014
    without marks, classifiers, pointing, `loc-` and single letters.
    """
    return [w for w in words if len(w) > 1 and not any(part in w for part in _FILTERED_973)]


def _stripped_2014(line: str) -> str:
    for text, replacement in _STRIPPED_2014:
        line = line.replace(text, replacement)
    return line


def _apply(rules: tuple[Rule, ...], line: str) -> str:
    for pattern, replacement in rules:
        line = _compiled(pattern).sub(replacement, line)
    return line


_compiled = cache(re.compile)
"""Faster than the cache in `re`."""
