"""Trains continuous sign language recognisers, and reads signing with them.

    import slr_accel

    recogniser = slr_accel.load("runs/mine")
    result = recogniser.transcribe(array)
    print(result.glosses)

`load`, `open_corpus`, `train`, `evaluate` and `score` are what other programs may rely on.
Importing this package imports nothing else: torch is imported when one of them is called.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slr_accel.api import evaluate, load, open_corpus, score, train

__all__ = ["evaluate", "load", "open_corpus", "score", "train"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("slr_accel.api"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]


class _Package(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        # The module `slr_accel.train`, when it is imported, must not take the function's place.
        if name not in __all__:
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
