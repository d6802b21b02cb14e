"""`slr-accel inspect CORPUS`: shows figures of a corpus, and what is wrong with it."""

from __future__ import annotations

import argparse
import json
from typing import Any

from slr_accel.commands.run_arguments import add_cache_arguments

BAR = 40
COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", metavar="CORPUS", help="corpus folder or address")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object and nothing else"
    )
    parser.add_argument(
        "--signer_independent",
        action="store_true",
        help="a signer in two splits is an error, not a note",
    )
    add_cache_arguments(parser, "as in training")
    parser.epilog = "Exit code: 0 no errors, 1 errors found, 2 wrong use."


def run(args: argparse.Namespace) -> int:
    from slr_accel.corpus.reader import open_corpus
    from slr_accel.inspection.inspect_corpus import inspect_corpus
    from slr_accel.progress import track
    from slr_accel.terminal import Terminal

    corpus = open_corpus(args.corpus, cache_dir=args.cache_dir, cache_gb=args.cache_gb)
    corpus.check_shard()
    figures = inspect_corpus(corpus, signer_independent=args.signer_independent, track=track)
    if args.json:
        print(json.dumps(figures, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        show(Terminal(), figures)
    return 0 if figures["ok"] else 1


def show(console: Any, figures: dict[str, Any]) -> None:
    """Prints tables that fit 80 columns; without lines and colour where there is no terminal."""
    fps = figures["frames_per_second"]
    facts = {
        "corpus": figures["corpus"],
        "layout": f"{figures['layout']} ({figures['columns']} values a frame)",
        "dtype": figures["dtype"],
        "frame rate": "unknown" if fps is None else f"{fps:g} fps",
        "size": f"{figures['bytes'] / 1e6:.1f} MB in {figures['shards']} shard(s)",
        "fingerprint": figures["fingerprint"],
    }
    for name, fact in facts.items():
        _print(console, f"{name:<12} {fact}")
    console.print()
    console.print(_split_table(console, figures["splits"]))
    console.print()
    console.print(_presence_table(console, figures["presence"]))
    for title, key in (("frames a sequence", "frames"), ("labels a sequence", "labels")):
        _print_histogram(console, title, figures["histograms"][key])
    _print_findings(console, figures["findings"])


def _print(console: Any, text: str, style: str | None = None) -> None:
    # Ids and labels may hold [brackets], which are no markup. In a file lines are not wrapped.
    console.print(text, style=style, markup=False, soft_wrap=not console.is_terminal)


def _table(console: Any, *names: str) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None)
    for i, name in enumerate(names):
        table.add_column(Text(name), justify="left" if i == 0 else "right", overflow="fold")
    return table


def _split_table(console: Any, splits: dict[str, dict[str, Any]]) -> Any:
    def whole(key: str) -> list[str]:
        return ["-" if split[key] is None else f"{split[key]:,}" for split in splits.values()]

    def spread(key: str) -> list[str]:
        return [" / ".join(f"{value:g}" for value in split[key]) for split in splits.values()]

    table = _table(console, "", *splits)
    rows = {
        "sequences": whole("sequences"),
        "frames": whole("frames"),
        "hours": ["-" if s["hours"] is None else f"{s['hours']:.2f}" for s in splits.values()],
        "frames min / median / max": spread("frames_min_median_max"),
        "signers (known)": whole("signers"),
        "without labels": whole("unlabelled"),
        "labels min / median / max": spread("labels_min_median_max"),
        "label tokens": whole("tokens"),
        "vocabulary": whole("vocabulary"),
        "tokens not in train": [
            "-" if s["oov_rate"] is None else f"{s['oov_rate']:.1%}" for s in splits.values()
        ],
    }
    for stride in next(iter(splits.values()))["unalignable"]:
        name = f"CTC cannot align, stride {stride}"
        rows[name] = [f"{split['unalignable'][stride]:,}" for split in splits.values()]
    for name, cells in rows.items():
        table.add_row(name, *cells)
    return table


def _presence_table(console: Any, presence: dict[str, float | None]) -> Any:
    table = _table(console, "block", "present in frames")
    for name, share in presence.items():
        table.add_row(name, "-" if share is None else f"{share:.1%}")
    return table


def _print_histogram(console: Any, title: str, bins: list[dict[str, int]]) -> None:
    console.print(f"\n{title}")
    most = max((entry["count"] for entry in bins), default=0)
    for entry in bins:
        span = f"{entry['from']}-{entry['to']}" if entry["to"] > entry["from"] else entry["from"]
        # Rounded up: a small count is visible, too.
        bar = "#" * -(-entry["count"] * BAR // most)
        _print(console, f"{span!s:>13} {entry['count']:>8,} {bar}".rstrip())


def _print_findings(console: Any, findings: list[dict[str, str]]) -> None:
    console.print()
    for finding in findings:
        text = f"{finding['severity']} {finding['code']}: {finding['message']}"
        _print(console, text, COLOURS[finding["severity"]])
    if not findings:
        console.print("nothing to report")
