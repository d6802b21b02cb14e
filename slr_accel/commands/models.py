"""Implements `slr-accel models`: lists the models, saves a trained one, or checks one."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slr_accel.labels.policies import LABEL_POLICIES
from slr_accel.settings.models.by_name import MODELS

if TYPE_CHECKING:
    from slr_accel.models.recogniser import Recogniser

NUM_OUTPUTS = 973
BINS, BINS_PER_SECOND = 80, 100.0
SECONDS, PASSES = 4, 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a run (its best checkpoint), a model folder or hf://OWNER/NAME [all kinds of models]",
    )
    parser.add_argument(
        "--out", type=Path, help="save MODEL here, for the Hub: with a card of its RUN/eval figures"
    )
    parser.add_argument(
        "--dtype",
        choices=("fp32", "fp16"),
        default="fp32",
        help="type of the weights in --out; the model computes in fp32 either way [fp32]",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON alone")
    check = parser.add_argument_group(
        "check of an architecture",
        "Measures in seconds on a few sequences: shapes, temporal length, variance over time, "
        "log-probabilities, the gradient of CTC, padding. Exit code: 0 all hold, 1 one fails.",
    )
    check.add_argument(
        "--check",
        metavar="NAME",
        help=f"one of {', '.join(MODELS)}; or path/to/file.py:Class, a Recogniser of your own: "
        "the file is imported, so its code runs",
    )
    check.add_argument("--data_dir", help="with --check: a corpus, a folder or an address")
    check.add_argument(
        "--label_policy",
        choices=LABEL_POLICIES,
        help="with --check: how labels become tokens [raw; for spectra characters]",
    )
    parser.epilog = (
        f"The list is for {NUM_OUTPUTS} outputs on MediaPipe Holistic at 25 frames per second, "
        f"for speech on {BINS} log-mel bins at {BINS_PER_SECOND:g}. MB are 10^6 bytes of "
        "parameters; int8 counts a byte for each number of a matrix or kernel, a float32 scale "
        "for each of its rows, and float32 for the rest. `ms a second` is the time for a second of "
        f"signing on this machine in one thread: the best of {PASSES} passes over {SECONDS} "
        "seconds, of 25 frames each where the frame rate of training is not known."
    )


def run(args: argparse.Namespace) -> int:
    if args.check is not None:
        from slr_accel.commands.model_check import check_model

        if args.model is not None or args.data_dir is None:
            raise ValueError("--check NAME needs --data_dir CORPUS, and no trained MODEL")
        return check_model(args.check, args.data_dir, args.label_policy, as_json=args.json)
    if args.data_dir is not None or args.label_policy is not None:
        raise ValueError("--data_dir and --label_policy are for --check: give --check NAME too")
    if args.model is None and args.out is not None:
        raise ValueError("--out saves a trained model: give the model (a run, say) too")
    half = args.dtype == "fp16"
    if half and args.out is None:
        raise ValueError("--dtype is for the model that --out saves: give --out FOLDER")
    rows = _all_kinds() if args.model is None else [_trained(args.model, args.out, half=half)]
    if args.json:
        print(json.dumps(rows, indent=1))
        return 0
    _show(rows)
    if args.out is not None:
        print(f"\nmodel and card: {args.out}")
    return 0


def _all_kinds() -> list[dict[str, Any]]:
    from slr_accel.features.transform import FeatureTransform
    from slr_accel.layouts.layout import generic_layout
    from slr_accel.layouts.named_layouts import mediapipe_holistic
    from slr_accel.models.build import make_model
    from slr_accel.settings.features import FeatureSettings
    from slr_accel.settings.recipes import read_recipe

    rows = []
    for name, kind in MODELS.items():
        signing = name != "speech"
        layout = mediapipe_holistic() if signing else generic_layout(BINS)
        features = FeatureSettings()
        if name == "student_reference":
            features = FeatureSettings(groups=read_recipe(name)["groups"])
        transform = FeatureTransform(layout, features, 25.0 if signing else BINS_PER_SECOND)
        rows.append(_figures(name, make_model(name, transform, kind(), NUM_OUTPUTS)))
    return rows


def _trained(source: str, out: Path | None, *, half: bool) -> dict[str, Any]:
    from slr_accel.models.build import model_name
    from slr_accel.models.find import find_model, recordings_layout, streaming_file
    from slr_accel.models.folder import load_model
    from slr_accel.models.pretrained import save_pretrained
    from slr_accel.new_folder import check_new_folder, new_folder

    if out is not None:
        check_new_folder(out)
    folder = find_model(source)
    model, vocabulary = load_model(folder)
    if out is not None:
        figures = _evaluations(Path(source), folder)
        with new_folder(out) as whole:
            save_pretrained(whole, model, vocabulary, figures, half=half)
            for path in (recordings_layout(source, folder), streaming_file(source, folder)):
                if path is not None:
                    shutil.copyfile(path, whole / path.name)
    return _figures(model_name(model), model)


def _evaluations(run: Path, checkpoint: Path) -> list[dict[str, Any]]:
    """The results of `slr-accel evaluate` for this checkpoint of the run."""
    results = [_evaluation(path) for path in sorted(run.glob("eval/*.json"))]
    name = checkpoint.resolve().name
    return [result for result in results if Path(result["checkpoint"]).name == name]


def _evaluation(path: Path) -> dict[str, Any]:
    """Reads a result of `slr-accel evaluate`. Raises ValueError where it is something else."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not readable as JSON ({error}); evaluate again") from None
    if not (isinstance(result, dict) and isinstance(result.get("checkpoint"), str)):
        raise ValueError(
            f"{path}: names no `checkpoint`, so it is no result of `slr-accel evaluate`; evaluate "
            "again or move it elsewhere"
        )
    return result


def _figures(name: str, model: Recogniser) -> dict[str, Any]:
    from slr_accel.models.size import megabytes, num_parameters

    features = model.features
    return {
        "model": name,
        "parameters": num_parameters(model),
        **{f"mb_{kind}": round(size, 2) for kind, size in megabytes(model).items()},
        "output_stride": model.output_stride,
        "num_outputs": model.num_outputs,
        "layout": features.layout.signature,
        "frames_per_second": features.frames_per_second if features.knows_rate else None,
        "max_frames": model.max_frames,
        "ms_per_second": round(1e3 * _real_time_factor(model), 2),
    }


def _real_time_factor(model: Recogniser) -> float:
    """Seconds of computation for a second of signing, in one thread."""
    import time

    import torch

    layout = model.features.layout
    frames = max(1, round(SECONDS * model.features.frames_per_second))
    values = torch.rand(1, frames, layout.columns)
    presence = torch.ones(1, frames, len(layout.blocks), dtype=torch.bool)
    lengths = torch.tensor([frames])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model.eval()
    seconds = []
    with torch.inference_mode():
        for _ in range(1 + PASSES):  # the first one warms up
            start = time.perf_counter()
            model(values, presence, lengths)
            seconds.append(time.perf_counter() - start)
    torch.set_num_threads(threads)
    return min(seconds[1:]) * model.features.frames_per_second / frames


def _show(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from slr_accel.terminal import Terminal

    table = Table(box=None)
    table.add_column("model")
    for name in ("parameters", "MB fp32", "fp16", "int8", "stride", "ms a second"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["model"],
            f"{row['parameters'] / 1e6:.2f} M",
            *(f"{row[f'mb_{kind}']:.1f}" for kind in ("fp32", "fp16", "int8")),
            str(row["output_stride"]),
            f"{row['ms_per_second']:.1f}",
        )
    Terminal().print(table)
