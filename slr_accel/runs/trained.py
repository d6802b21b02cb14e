"""Loads a trained recogniser, and transcribes arrays and files with it.

recogniser = load("runs/mine")
result = recogniser.transcribe(array, fps=25)
result.glosses, result.times, result.confidence, result.log_probs
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch

from slr_accel.ctc.decoders import Decoder, Hypothesis, make_decoder
from slr_accel.ctc.temperature import with_temperature
from slr_accel.features.resampling import resample
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.loading.loader import padded, subsampled
from slr_accel.models.find import find_model, recordings_layout
from slr_accel.models.folder import load_model
from slr_accel.models.recogniser import Recogniser
from slr_accel.processes.tf32 import in_float32
from slr_accel.runs.opened import decoding_settings
from slr_accel.runs.other_corpus import is_usual_rate
from slr_accel.runs.recordings import Recording, RecordingReader, make_reader
from slr_accel.runs.run_folder import RunFolder
from slr_accel.scoring.words import recognised_words

BATCH_SIZE = 16


@dataclass(frozen=True)
class Result:
    """What a recogniser reads in one recording. The first three lists have one entry a gloss."""

    glosses: list[str]
    """Words, where the label policy is `characters`."""
    times: list[tuple[float, float]]
    """Start and end in seconds from the beginning of the recording."""
    confidence: list[float]
    """Mean probability over a gloss' output steps, 0 to 1; CTC outputs are seldom calibrated."""
    log_probs: np.ndarray
    """[T', V] float32, a row an output step; column 0 is the blank, then come the tokens."""
    seconds_per_step: float

    def to_json(self) -> dict[str, Any]:
        """Everything but `log_probs`, in plain types."""
        return {
            "glosses": self.glosses,
            "times": [[round(time, 3) for time in pair] for pair in self.times],
            "confidence": [round(value, 4) for value in self.confidence],
        }


@dataclass(frozen=True)
class TrainedRecogniser:
    """A trained model that reads recordings; `load` makes it."""

    model: Recogniser
    """In evaluation mode, on its device."""
    vocabulary: Vocabulary
    reader: RecordingReader
    decoder: Decoder
    device: torch.device

    @property
    def frames_per_second(self) -> float | None:
        """The frame rate of the corpus trained on; None where it is not known."""
        features = self.model.features
        return features.frames_per_second if features.knows_rate else None

    @overload
    def transcribe(
        self,
        source: list[Any] | tuple[Any, ...],
        *,
        fps: float | None = None,
        frame_size: tuple[float, float] | None = None,
    ) -> list[Result]: ...

    @overload
    def transcribe(
        self,
        source: np.ndarray | torch.Tensor | str | Path,
        *,
        fps: float | None = None,
        frame_size: tuple[float, float] | None = None,
    ) -> Result: ...

    def transcribe(
        self,
        source: Any,
        *,
        fps: float | None = None,
        frame_size: tuple[float, float] | None = None,
    ) -> Any:
        """Reads one recording, or each of a list of them.

        Args:
            source: an array of the model's layout, [T, D] or [T, points, axes], as it was before
                `prepare`; or a path: .npy, .npz, .safetensors, .pose or a video; or a list.
            fps: frames per second of arrays; by default that of the corpus trained on. Where it is
                far from that, frames are interpolated in time.
            frame_size: width and height in pixels of the frames that arrays come from, where the
                model measures in the frame's height; by default that of training.

        Returns:
            a `Result`, or a list of them for a list.

        Raises:
            ValueError: says what is wrong with a recording.
        """
        if isinstance(source, list | tuple):
            return self._transcribe([self._recording(one, fps, frame_size) for one in source])
        return self._transcribe([self._recording(source, fps, frame_size)])[0]

    def _recording(
        self, source: Any, fps: float | None, frame_size: tuple[float, float] | None
    ) -> Recording:
        if isinstance(source, torch.Tensor):
            source = source.detach().cpu().numpy()
        return self.reader.read(source, fps, frame_size)

    def _transcribe(self, recordings: Sequence[Recording]) -> list[Result]:
        """In batches of recordings that have one frame rate and similar lengths."""
        places = sorted(
            range(len(recordings)),
            key=lambda i: (recordings[i].frames_per_second or 0, len(recordings[i].values)),
        )
        found: dict[int, Result] = {}
        while places:
            rate = recordings[places[0]].frames_per_second
            batch = [i for i in places[:BATCH_SIZE] if recordings[i].frames_per_second == rate]
            places = places[len(batch) :]
            results = self._read_batch([recordings[i] for i in batch], rate)
            found.update(zip(batch, results, strict=True))
        return [found[i] for i in range(len(recordings))]

    @torch.inference_mode()
    def _read_batch(self, recordings: list[Recording], rate: float | None) -> list[Result]:
        model = self.model
        if not is_usual_rate(model, rate):
            assert rate is not None
            model_rate = model.features.frames_per_second
            recordings = [_at_rate(recording, rate, model_rate) for recording in recordings]
            rate = model_rate
        values = [subsampled(recording.values, model.max_frames) for recording in recordings]
        presence = [subsampled(recording.presence, model.max_frames) for recording in recordings]
        lengths = torch.tensor([len(array) for array in values])
        model.features.read_at(rate)
        with in_float32():
            output = model(
                *(x.to(self.device) for x in (padded(values), padded(presence), lengths)),
            )
        hypotheses = with_temperature(
            self.decoder(output.log_probs, output.lengths), output.log_probs, model.temperature
        )
        log_probs = output.log_probs.cpu().numpy()
        step = model.output_stride / (rate or model.features.frames_per_second)
        return [
            self._result(
                hypothesis,
                own[: int(steps)].copy(),
                # A frame of a subsampled sequence stands for more than one.
                step * len(recording.values) / len(read),
            )
            for hypothesis, own, steps, recording, read in zip(
                hypotheses, log_probs, output.lengths, recordings, values, strict=True
            )
        ]

    def _result(self, hypothesis: Hypothesis, log_probs: np.ndarray, step: float) -> Result:
        words = recognised_words(self.vocabulary, hypothesis)
        return Result(
            [word.text for word in words],
            [(word.start * step, word.end * step) for word in words],
            [word.confidence for word in words],
            log_probs,
            step,
        )


def load(
    source: str | Path, *, device: str | None = None, missing: str | None = None
) -> TrainedRecogniser:
    """Loads a trained recogniser.

    Args:
        source: a run folder (its best checkpoint), a model folder or hf://OWNER/NAME.
        device: `cpu`, `cuda`, `cuda:1`, ...; by default a GPU where there is one.
        missing: how arrays mark what was not detected (`zeros`, `nan`, `none`, ...); by default as
            those of the corpus trained on did.

    Raises:
        ValueError: there is no such model or device, or a file of it is wrong.
        OSError: the Hub cannot be reached.
    """
    folder = find_model(source)
    chosen = _device(device)
    model, vocabulary = load_model(folder)
    features = model.features
    rate = features.frames_per_second if features.knows_rate else None
    reader = make_reader(features.layout, rate, recordings_layout(source, folder), missing)
    run = RunFolder(Path(source))
    decoder = make_decoder(
        decoding_settings(run.config() | run.decoding() if run.exists else {}, {}), vocabulary
    )
    return TrainedRecogniser(model.to(chosen).eval(), vocabulary, reader, decoder, chosen)


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    # A device that was not compiled in or is not there raises many kinds of errors.
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"device {name!r} cannot be used ({reason}); give cpu") from None
    return device


def _at_rate(recording: Recording, rate: float, wanted: float) -> Recording:
    """Interpolates a recording in time: every frame of the new rate that lies within it."""
    frames = len(recording.values)
    count = int((frames - 1) * wanted / rate + 1e-6) + 1
    places = (torch.arange(count, dtype=torch.float32) * (rate / wanted)).clamp(max=frames - 1)
    values, presence = resample(
        torch.from_numpy(recording.values)[None],
        torch.from_numpy(recording.presence)[None],
        torch.tensor([frames]),
        places[None],
        torch.tensor([count]),
    )
    return Recording(values[0].numpy(), presence[0].numpy(), wanted)
