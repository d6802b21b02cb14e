"""The three forms of a result agree with the counts, and survive any token."""

import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

from rich.console import Console
from scored_helpers import SEQUENCES, scored, sequence

from slr_accel.scoring.page import write_html
from slr_accel.scoring.report import confusions, print_summary
from slr_accel.scoring.report_details import Details
from slr_accel.scoring.wer import align


def summary(sequences, examples=5, **console) -> str:
    out = io.StringIO()
    settings = {"file": out, "width": 80, **console}
    print_summary(Console(**settings), scored(sequences), sequences, examples=examples)
    return out.getvalue()


class Page(HTMLParser):
    """Collects tags, attributes and text; checks that what opens closes."""

    VOID = ("meta", "br", "link", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data.split()


def page_of(tmp_path, sequences) -> str:
    path = tmp_path / "report.html"
    write_html(path, scored(sequences), sequences)
    return path.read_text(encoding="utf-8")


def test_one_sentence_has_no_interval_and_that_is_said(tmp_path):
    one = [sequence("s", "x", "A B C D", "A B C E")]
    assert json.loads(json.dumps(scored(one)))["wer_ci95"] is None
    said = "no interval of one sentence"
    assert f"dev: WER 25.0 %  ({said})" in summary(one)
    page = " ".join(Page(page_of(tmp_path, one)).words)
    assert said in page and "95 % interval" not in page
    assert "95 % interval" in " ".join(Page(page_of(tmp_path, SEQUENCES)).words)


def test_confusions_are_counted_and_most_frequent_first():
    found = confusions(SEQUENCES)
    assert sorted(found.deletions) == [("KALT", 1), ("SONNE", 1), ("WIND", 1)]
    assert sum(times for _, times in found.substitutions) == 2
    assert (("SONNE", "WOLKE"), 1) in found.substitutions
    assert sum(times for _, times in found.insertions) == 1
    repeated = [sequence(str(n), "x", "A B C", "A") for n in range(3)]
    extra = sequence("e", "x", "C A", "A")
    assert confusions([*repeated, extra]).deletions == [("C", 4), ("B", 3)]
    assert confusions([*repeated, extra], top=1).deletions == [("C", 4)]


def test_page_fetches_nothing_and_runs_nothing(tmp_path):
    page = Page(page_of(tmp_path, SEQUENCES))
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in page.tags}
    assert not any("src" in attrs or "href" in attrs for _, attrs in page.tags)
    assert not re.search(r"https?:|url\(|@import", page_of(tmp_path, SEQUENCES))


def test_page_shows_every_sentence_worst_first_and_every_token_pair(tmp_path):
    page = Page(page_of(tmp_path, SEQUENCES))
    order = [word for word in page.words if word in {"s1", "s2", "s3", "s4"}]
    assert order == ["s3", "s2", "s4", "s1"]
    pairs = sum("pair" in (a.get("class") or "").split() for _, a in page.tags)
    assert pairs == len(SEQUENCES) + sum(
        len(align(s.reference, s.hypothesis).pairs) for s in SEQUENCES
    )


def test_page_marks_errors_by_letter_beside_colour(tmp_path):
    page = page_of(tmp_path, [sequence("s", "x", "A B C", "A D")])
    for op, letter in {"deletion": "D", "substitution": "S"}.items():
        assert re.search(rf'class="pair {op}">.*?<b>{letter}</b>', page, re.DOTALL)


def test_pages_of_many_sentences_stay_small_and_hold_every_word(tmp_path):
    many = [
        sequence(f"01April_2010_Thursday_heute_default-{n}", f"Signer{n % 9}", "HEUTE REGEN " * 6,
                 f"HEUTE SONNE{n} " * 6)
        for n in range(5000)
    ]  # fmt: skip
    page = page_of(tmp_path, many)
    assert len(page) < 10e6
    assert all(f"SONNE{n}" in page for n in range(0, 5000, 7))


def test_page_says_where_the_reference_is_among_the_n_best(tmp_path):
    path = tmp_path / "report.html"
    ranks = {"s1": 1, "s2": 4, "s3": None}
    write_html(path, scored(SEQUENCES), SEQUENCES, Details(ranks=ranks))
    text = " ".join(Page(path.read_text(encoding="utf-8")).words)
    assert text.count("is number 4 of the n best") == 1
    assert text.count("is not among the n best") == 1
    assert "is number 1 of" not in text, "s1 has no error"


def test_page_says_where_the_language_model_helped(tmp_path):
    path = tmp_path / "report.html"
    errors = {s.id: s.counts.errors for s in SEQUENCES} | {"s1": 2, "s2": 0}
    assert errors["s3"] > 0
    decoded = {"decoder": "beam 10, language model lm.arpa"}
    result = scored(SEQUENCES) | decoded | {"greedy": {"wer": 0.5, "helped": 7, "hurt": 8}}
    write_html(path, result, SEQUENCES, Details(greedy_errors=errors))
    text = " ".join(Page(path.read_text(encoding="utf-8")).words)
    assert "Greedy decoding WER 50.0 %: the language model helped in 7" in text
    assert text.count("the language model helped: greedy decoding has 2 errors") == 1
    assert text.count("the language model hurt: greedy decoding has 0 errors") == 1


def test_page_escapes_tokens_ids_and_signers(tmp_path):
    evil = "<script>alert(1)</script>"
    token = evil.replace(" ", "")
    page = page_of(tmp_path, [sequence(evil, evil, f"A&B {token}", "{{7*7}} X")])
    assert "<script" not in page
    words = Page(page).words
    assert {token, "A&B", "{{7*7}}"} <= set(words)


def test_page_of_no_words_at_all_is_whole(tmp_path):
    assert "0.0" in Page(page_of(tmp_path, [sequence("s", "x", "", "")])).words


def test_summary_without_a_terminal_is_plain_and_fits_80_columns():
    long = sequence("s5", "Signer01", "TEMPERATUR " * 20, "TEMPERATUR WOLKE " * 10)
    text = summary([*SEQUENCES, long])
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_summary_on_a_terminal_colours_errors():
    assert "\x1b[" in summary(SEQUENCES, force_terminal=True, color_system="standard")


def test_summary_shows_totals_signers_and_health():
    text = summary(SEQUENCES)
    assert "dev: WER 60.0 %" in text
    assert re.search(r"^all +60\.0 % +2 +3 +1 +5 +10 +4 *$", text, re.MULTILINE)
    assert re.search(r"^Signer02 +20\.0 % +1 +0 +0 +4 +5 +2 *$", text, re.MULTILINE)
    assert "blank steps 75.0 %, empty hypotheses 25.0 %, distinct tokens 3" in text


def test_summary_aligns_tokens_in_columns():
    text = summary([sequence("s", "x", "MORGEN SONNE WIND IM NORDEN", "MORGEN IM SUEDEN")])
    start = text.index("REF  ")
    assert text[start:].splitlines() == [
        "REF  MORGEN SONNE WIND IM NORDEN",
        "HYP  MORGEN ***   ***  IM SUEDEN",
        "            D     D       S",
    ]


def test_summary_keeps_every_token_of_sentences_longer_than_a_line():
    reference = [f"WORT{n}" for n in range(40)]
    text = summary([sequence("s", "x", " ".join(reference), "")])
    shown = [w for line in text.splitlines() if line.startswith("REF") for w in line.split()[1:]]
    assert shown == reference


def test_summary_aligns_double_width_characters():
    lines = summary([sequence("s", "x", "天气 B", "A B")]).splitlines()
    reference = next(line for line in lines if line.startswith("REF"))
    hypothesis = next(line for line in lines if line.startswith("HYP"))
    assert reference == "REF  天气 B"
    assert hypothesis == "HYP  A    B"


def test_summary_prints_markup_like_tokens_as_they_are():
    text = summary([sequence("[red]", "[bold]x", "[EMPTY] :smile:", "[/red] A")])
    assert {"[red]", "[bold]x", "[EMPTY]", ":smile:", "[/red]"} <= set(text.split())


def test_summary_shows_only_so_many_examples_in_the_order_given():
    titles = re.findall(r"^(s\d)  signer", summary(SEQUENCES, examples=2), re.MULTILINE)
    assert titles == ["s1", "s2"]
    assert "REF" not in summary(SEQUENCES, examples=0)


def test_scoring_does_not_import_torch():
    code = "import slr_accel.scoring.report, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
