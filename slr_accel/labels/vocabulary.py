"""Maps labels to model outputs: the vocabulary of a run, made from its train split."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from slr_accel.files import write_whole
from slr_accel.labels.policies import LabelPolicy, separator

BLANK = 0


@dataclass(frozen=True)
class Vocabulary:
    """Sorted tokens; token i has id i + 1, since 0 is CTC's blank."""

    tokens: tuple[str, ...]
    label_policy: str

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens, 1)}

    @property
    def num_outputs(self) -> int:
        """Tokens and the blank."""
        return len(self.tokens) + 1

    def __contains__(self, token: str) -> bool:
        return token in self._ids

    def encode(self, labels: Iterable[str]) -> list[int]:
        """Ids of train labels. Raises KeyError for an unknown label."""
        return [self._ids[label] for label in labels]

    def decode(self, ids: Iterable[int]) -> list[str]:
        return [self.tokens[i - 1] for i in ids]

    def save(self, path: Path) -> None:
        data = {"blank": BLANK, "label_policy": self.label_policy, "tokens": list(self.tokens)}
        write_whole(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")

    @staticmethod
    def load(path: Path) -> Vocabulary:
        """Raises ValueError that names the file where it is no vocabulary."""
        try:
            form = _Form.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: not a vocabulary ({error})") from None
        if len(set(form.tokens)) < len(form.tokens):
            raise ValueError(f"{path}: not a vocabulary (it has a token twice)")
        return Vocabulary(form.tokens, form.label_policy)


class _Form(BaseModel):
    """The content of a vocabulary's file."""

    blank: Literal[0]
    label_policy: LabelPolicy
    tokens: tuple[str, ...]


def build_vocabulary(train_labels: Iterable[list[str]], label_policy: str) -> Vocabulary:
    """Makes the vocabulary of a run from the train split's labels after the policy.

    The separator of words is always in it: sentences of one word may be joined in training.

    Raises:
        ValueError: there are no labels.
    """
    tokens = {token for labels in train_labels for token in labels}
    if not tokens:
        raise ValueError(
            f"the train split has no labels under the label policy {label_policy}, so there is "
            "nothing to learn"
        )
    return Vocabulary(tuple(sorted(tokens.union(separator(label_policy)))), label_policy)
