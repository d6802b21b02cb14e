"""Implements `slr-accel live RUN`: reads signing from a camera or a video, as it comes."""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slr_accel.commands.transcripts import warn

if TYPE_CHECKING:
    import numpy as np

    from slr_accel.live.session import LiveSession, LiveUpdate
    from slr_accel.runs.recordings import RecordingReader
    from slr_accel.runs.trained import TrainedRecogniser

ABOUT = """\
Finds landmarks with MediaPipe (the extra `video`) in a process of its own, reads them in chunks and
prints each gloss when it is committed: it then stays. On a terminal what may still change is shown
behind it. When the hands hang down for a second, a sentence ends. --web does all of it in a browser
instead, which needs the extra `export` and no MediaPipe here.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = ABOUT
    parser.add_argument(
        "run", metavar="RUN", help="a run (its best checkpoint), a model folder or hf://OWNER/NAME"
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--video", type=Path, metavar="FILE", help="read a video file")
    source.add_argument("--camera", type=int, default=0, help="read the camera of this number [0]")
    source.add_argument(
        "--web",
        action="store_true",
        help="serve a page that reads the browser's camera or a video, on 127.0.0.1; RUN may be a "
        "folder of `export --web`",
    )
    parser.add_argument("--port", type=int, default=8000, help="of --web; 0: any free one [8000]")
    parser.add_argument(
        "--vendor", type=Path, metavar="FOLDER", help="as in `export --web`, for --web"
    )
    parser.add_argument(
        "--look_ahead",
        type=int,
        help="frames that must follow before a gloss is committed [as `evaluate --streaming` "
        "chose, else 32]",
    )
    parser.add_argument(
        "--record", type=Path, metavar="FOLDER", help="keep the landmarks as a corpus there"
    )
    parser.add_argument("--device", help="cpu, cuda, ... [a GPU where there is one]")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each gloss")


def run(args: argparse.Namespace) -> int:
    if args.web:
        return _serve(args)
    if args.vendor:
        raise ValueError("--vendor has no use without --web")
    from slr_accel.live.session import LiveSession
    from slr_accel.live.streaming import chosen_settings, model_emit
    from slr_accel.models.find import find_model
    from slr_accel.new_folder import check_new_folder
    from slr_accel.runs.trained import load
    from slr_accel.video.landmarks import STORED_LAYOUT

    if args.record:
        check_new_folder(args.record)
    if args.video is not None and not args.video.is_file():
        raise ValueError(f"{args.video}: no such file")
    recogniser = load(args.run, device=args.device)
    name = "MediaPipe" if args.video is None else str(args.video)
    columns, blocks = recogniser.reader.places_in(STORED_LAYOUT, name)
    settings = chosen_settings(
        args.run, find_model(args.run), recogniser.model.max_frames, args.look_ahead
    )
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    session = LiveSession(
        model_emit(recogniser.model),
        recogniser.model.output_stride,
        recogniser.model.features.frames_per_second,
        recogniser.vocabulary,
        settings,
        columns,
        blocks,
    )
    if args.record:
        session.recorded = lambda values, presence: kept.append((values, presence))
    source = args.camera if args.video is None else args.video
    dropped = _follow(session, recogniser.reader, source, args.json)
    if args.record and kept:
        _record(args.record, recogniser, session.frames_per_second, kept)
    if dropped:
        warn(f"{dropped} frames of the camera were dropped: MediaPipe takes longer than they come")
    return 0


def _serve(args: argparse.Namespace) -> int:
    """Serves the page until Ctrl-C."""
    from slr_accel.live.web_server import HOST, has_page, web_server
    from slr_accel.runs.run_folder import RunFolder

    if args.look_ahead is not None:  # 0 among them
        raise ValueError("--web has no use for --look_ahead")
    for option in ("record", "device", "json"):
        if getattr(args, option):
            raise ValueError(f"--web has no use for --{option}")
    source = Path(args.run)
    if has_page(source) and args.vendor:
        raise ValueError(f"--vendor has no use: {source} has its packages already")
    if not has_page(source) and not RunFolder(source).exists:
        raise ValueError(
            f"{args.run}: neither a run nor an export with a page; of a model alone make one "
            "first: slr-accel export MODEL --data_dir CORPUS --out FOLDER --web"
        )
    with TemporaryDirectory() as temporary:
        folder = source if has_page(source) else Path(temporary) / "page"
        with web_server(folder, args.port) as server:
            if folder != source:
                from slr_accel.commands.export import export

                print("exporting the model first, for this time alone", file=sys.stderr)
                export(args.run, folder, web=True, vendor=args.vendor)
            with suppress(KeyboardInterrupt):  # an export that it ends has failed, though
                print(f"http://{HOST}:{server.server_port}/  (Ctrl-C ends)", flush=True)
                server.serve_forever()
    return 0


def _follow(
    session: LiveSession, reader: RecordingReader, source: Path | int, as_json: bool
) -> int:
    """Prints until the source ends or Ctrl-C; returns the number of dropped frames."""
    from slr_accel.errors import RunError
    from slr_accel.live.landmark_process import live_frames
    from slr_accel.video.landmarks import STORED_LAYOUT

    dropped, reading, start, first = 0, 0.0, time.monotonic(), None
    try:
        for frame in live_frames(source):
            first = time.monotonic() if first is None else first
            dropped += frame.dropped
            began = time.monotonic()
            reader.to_own_units(frame.features[None], STORED_LAYOUT, frame.size)
            for update in session.add(frame.time, frame.features, frame.presence):
                _print(update, as_json)
            reading += time.monotonic() - began
    except KeyboardInterrupt:
        pass
    except (RunError, ValueError) as error:  # ValueError: a video that is cut off
        if not session.frames:
            raise
        warn(str(error))
    _print(session.end(), as_json)
    seconds = session.frames / session.frames_per_second
    if seconds and not as_json:
        taken = time.monotonic() - (first or start)
        print(
            f"{seconds:.1f} s of signing in {taken:.1f} s; the recogniser took "
            f"{1e3 * reading / seconds:.0f} ms a second of it",
            file=sys.stderr,
        )
    return dropped


def _print(update: LiveUpdate, as_json: bool) -> None:
    shown = sys.stdout.isatty() and not as_json
    if shown:
        print("\r\x1b[K", end="")
    for word in update.committed:
        if as_json:
            record = {"gloss": word.text, "time": round(word.time, 3)}
            print(json.dumps({**record, "confidence": round(word.confidence, 4)}), flush=True)
        else:
            print(f"{word.time:7.2f} s  {word.text}  {word.confidence:.0%}", flush=True)
    if shown and update.provisional:
        words = " ".join(word.text for word in update.provisional)
        print(f"\x1b[2m... {words[-60:]}\x1b[0m", end="", flush=True)


def _record(
    folder: Path,
    recogniser: TrainedRecogniser,
    rate: float,
    kept: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    """Writes the frames as a corpus of one unlabelled sequence, for predict."""
    import numpy as np

    from slr_accel.corpus.sequence import UNKNOWN_SIGNER, Sequence
    from slr_accel.corpus.writer import write_corpus

    values, presence = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    write_corpus(
        folder,
        [Sequence("live", "test", UNKNOWN_SIGNER, values, presence, [])],
        layout=recogniser.model.features.layout,
        dtype="float32",
        frames_per_second=rate,
        source={"importer": "live"},
    )
    print(f"landmarks: {folder}", file=sys.stderr)
