"""Loads models from the Hugging Face Hub, and saves them as it has them: with a model card.

    model, vocabulary = from_pretrained("owner/name")
    save_pretrained(Path("folder"), model, vocabulary, figures)

`hf upload owner/name folder` puts such a folder on the Hub.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import EvalResult, ModelCardData

from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.models.build import model_name
from slr_accel.models.find import HUB, find_model
from slr_accel.models.folder import load_model, save_model
from slr_accel.models.recogniser import Recogniser
from slr_accel.models.size import megabytes, num_parameters

CARD_FILE = "README.md"
TAGS = ["sign-language-recognition", "continuous-sign-language-recognition", "landmarks", "ctc"]


def from_pretrained(source: str | Path) -> tuple[Recogniser, Vocabulary]:
    """Loads the model of a run, a model folder or a repository on the Hub, in evaluation mode.

    OWNER/NAME is a repository unless there is such a folder; hf://OWNER/NAME always is. Subsample
    sequences of more than `model.max_frames` frames to that length, and call
    `model.features.read_at(rate)` where their frame rate is not `model.features.frames_per_second`.

    Raises:
        ValueError: there is no model, or one of its files is wrong.
        OSError: the Hub cannot be reached.
    """
    address = str(source)
    if re.fullmatch(r"[\w.-]+/[\w.-]+(@\S+)?", address) and not Path(address).exists():
        address = HUB + address
    model, vocabulary = load_model(find_model(address))
    return model.eval(), vocabulary


def save_pretrained(
    folder: Path,
    model: Recogniser,
    vocabulary: Vocabulary,
    figures: Sequence[dict[str, Any]] = (),
    *,
    half: bool = False,
) -> None:
    """Writes config.json, model.safetensors, vocabulary.json and a card, README.md.

    Args:
        folder: made where it is missing.
        figures: the contents of `eval/<split>.json` of a run, for the card.
        half: store parameters as float16, in half the space; loading makes them float32 again.

    Raises:
        ValueError: a parameter is too large for float16.
    """
    weights = model.state_dict()
    # Statistics stay float32: they may be of any size.
    for name, parameter in model.named_parameters() if half else ():
        weights[name] = parameter.detach().half()
        if not torch.isfinite(weights[name]).all():
            raise ValueError(f"{name} has values beyond float16's 65,504; save it as fp32")
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder, model, vocabulary, weights)
    (folder / CARD_FILE).write_text(card(model, vocabulary, figures), encoding="utf-8")


def card(model: Recogniser, vocabulary: Vocabulary, figures: Sequence[dict[str, Any]]) -> str:
    """Returns a model card in the form of the Hub, without a licence: the publisher adds it."""
    name = model_name(model)
    metadata = ModelCardData(
        library_name="slr_accel",
        tags=TAGS if name != "speech" else ["automatic-speech-recognition", "ctc"],
        model_name=name,
        metrics=["wer"],
        eval_results=[_eval_result(f) for f in figures] or None,
    )
    size = megabytes(model)
    features = model.features
    rate = f"trained at {features.frames_per_second:g} frames per second"
    most = model.max_frames
    subsampled = f"""
- sequences of more than {most} frames are first subsampled evenly in time to {most} \
(`model.max_frames`)"""
    return f"""---
{metadata.to_yaml().strip()}
---

# {name}

A recogniser made with slr_accel: landmarks (or other values) of a sequence in, log-probabilities of
tokens out, decoded by CTC.

- input: {features.layout.signature}; {features.layout.columns} values a frame, \
{rate if features.knows_rate else "frame rate unknown"}\
{"" if most is None else subsampled}
- output: {len(vocabulary.tokens)} tokens and the blank, one step for {model.output_stride} \
frame(s); label policy {vocabulary.label_policy}
- {num_parameters(model) / 1e6:.2f} M parameters: {size["fp32"]:.1f} MB in fp32, \
{size["fp16"]:.1f} MB in fp16

## Measured

{_measured(figures)}

## Use

```python
import slr_accel

recogniser = slr_accel.load("hf://OWNER/NAME")
print(recogniser.transcribe(array).glosses)
```

```
slr-accel predict hf://OWNER/NAME --data_dir CORPUS --split test --output_dir predictions
```
"""


def _eval_result(figures: dict[str, Any]) -> EvalResult:
    corpus = Path(figures["data_dir"]).name
    return EvalResult(
        task_type="automatic-speech-recognition",  # the Hub's nearest: sequences to words
        task_name="continuous recognition",
        dataset_type=corpus,
        dataset_name=corpus,
        dataset_split=figures["split"],
        metric_type="wer",
        metric_name=f"WER ({figures['decoder']}, label policy {figures['label_policy']})",
        metric_value=round(100 * figures["wer"], 2),
    )


def _measured(figures: Sequence[dict[str, Any]]) -> str:
    if not figures:
        return "Nothing yet."
    lines = [
        "| corpus | split | WER | 95 % interval | words | sequences | decoder | label policy |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for f in figures:
        # One sentence has no interval.
        interval = " - ".join(f"{end:.1%}" for end in f["wer_ci95"] or ()) or "none"
        lines.append(
            f"| {Path(f['data_dir']).name} | {f['split']} | {f['wer']:.1%} "
            f"| {interval} | {f['reference_tokens']} | {f['num_sequences']} "
            f"| {f['decoder']} | {f['label_policy']} |"
        )
    return "\n".join(lines)
