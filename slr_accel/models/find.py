"""Finds the folder of a model: in a run, on its own, or on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
VOCABULARY_FILE = "vocabulary.json"
MODEL_FILES = (CONFIG_FILE, WEIGHTS_FILE, VOCABULARY_FILE)
LAYOUT_FILE = "layout.json"
"""How the recordings trained on mark absence, beside their layout; a model does not need it."""
STREAMING_FILE = "streaming.json"
"""The look-ahead that `evaluate --streaming` chose; a model does not need it."""
HUB = "hf://"


def find_model(source: str | Path) -> Path:
    """The folder of the model that `source` names: a run (its best checkpoint), a model folder or
    hf://OWNER/NAME.

    From the Hub it fetches these files alone, into the usual cache; hf://OWNER/NAME@REVISION
    names a branch, tag or commit.

    Raises:
        ValueError: there is no model.
        OSError: the Hub cannot be reached.
    """
    if str(source).startswith(HUB):
        return _fetched(str(source))
    for folder in (Path(source) / "best", Path(source)):
        if (folder / CONFIG_FILE).is_file():
            return folder
    lack = f"no {CONFIG_FILE}" if Path(source).exists() else "there is no such folder"
    raise ValueError(f"{source}: neither a trained run nor a model ({lack})")


def recordings_layout(source: str | Path, folder: Path) -> Path | None:
    """The layout file of the recordings that the model in `folder` was trained on, which is kept
    in the run `source` or with the model; None where there is none."""
    candidates = (Path(source) / LAYOUT_FILE, folder / LAYOUT_FILE)
    return next((path for path in candidates if path.is_file()), None)


def streaming_file(source: str | Path, folder: Path) -> Path | None:
    """What `evaluate --streaming` wrote for the model in `folder`; None where it did not."""
    candidates = (Path(source) / "eval" / STREAMING_FILE, folder / STREAMING_FILE)
    return next((path for path in candidates if path.is_file()), None)


def _fetched(address: str) -> Path:
    from huggingface_hub import snapshot_download

    name, _, revision = address.removeprefix(HUB).partition("@")
    try:
        folder = snapshot_download(
            name,
            revision=revision or None,
            allow_patterns=[*MODEL_FILES, LAYOUT_FILE, STREAMING_FILE],
        )
    except ValueError as error:
        raise ValueError(f"{address}: write hf://OWNER/NAME ({error})") from None
    except OSError as error:
        reason = str(error).strip().splitlines()[0]
        raise OSError(f"{address}: could not be fetched from the Hub ({reason})") from None
    return Path(folder)
