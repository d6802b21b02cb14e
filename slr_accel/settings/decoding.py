"""Settings of decoding: from log-probabilities to hypotheses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from slr_accel.settings.group import MayChange, SettingsGroup


def _absolute(path: str) -> str:
    """The path as a run keeps it: evaluation may start in another folder."""
    return str(Path(path).absolute())


class DecodingSettings(SettingsGroup):
    decoder: MayChange[Literal["greedy", "beam"]] = "greedy"
    """greedy: the best token of each output step, repeats merged, blanks removed. beam: the most
    probable sentence over all its paths. Validation in training is greedy."""
    beam: MayChange[Annotated[int, Field(ge=1)]] = 10
    """beam: beginnings of sentences that are kept after each output step; 1 is greedy, unless there
    is a language model."""
    language_model: MayChange[Annotated[str, AfterValidator(_absolute)] | None] = None
    """beam: an ARPA file, as `slr-accel lm train` makes it. With characters it is one over words,
    and no others are recognised."""
    alpha: MayChange[Annotated[float, Field(ge=0)]] = 0.4
    """language_model: weight of its log-probabilities beside those of CTC."""
    beta: MayChange[float] = 1.0
    """language_model: what each token, or with characters each word, adds to the score, in nats."""

    def problems(self) -> list[str]:
        if self.language_model is None:
            return []
        if self.decoder == "greedy":
            return ["language_model has no effect with the decoder greedy; set decoder to beam"]
        if not Path(self.language_model).is_file():
            return [
                f"language_model: there is no file {self.language_model}; `slr-accel lm train` "
                "makes one"
            ]
        return []

    @property
    def description(self) -> str:
        """The decoder with what its results depend on."""
        if self.decoder == "greedy":
            return "greedy"
        if self.language_model is None:
            return f"beam {self.beam}"
        weights = f"alpha {self.alpha:g}, beta {self.beta:g}"
        return f"beam {self.beam}, language model {self.language_model}, {weights}"
