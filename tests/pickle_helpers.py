"""Pickled code that shows whether it ran."""

import pickle
from pathlib import Path


class Payload:
    """Unpickling it creates the file `marker`."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    @property
    def pickled(self) -> bytes:
        return pickle.dumps(self)

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.touch, (self.marker,))
