"""torch.compile for all but the features and the recurrent part."""

from __future__ import annotations

import os
import shutil

import torch
from torch import nn

from slr_accel.models.recogniser import Recogniser


def compile_parts(model: Recogniser, device: torch.device) -> None:
    """Compiles each part of the model when it is first called; names of weights stay.

    Not the LSTMs, which break the graph, nor the features, which write in place. Once for all
    lengths: batches differ in theirs.

    Raises:
        ValueError: on a CPU without a C++ compiler, or torch lies where it cannot compile.
    """
    if " " in torch.__file__:
        raise ValueError(
            f"compile: torch hands its own place to the compiler unquoted, and {torch.__file__} "
            "holds a space; install it elsewhere, or leave --compile out"
        )
    compilers = [os.environ.get("CXX", "g++"), "clang++"]
    if device.type == "cpu" and not any(map(shutil.which, compilers)):
        raise ValueError("compile needs a C++ compiler: install g++, or leave --compile out")
    from torch._dynamo import config

    # Blocks of a kind count as one function, each with a version of its own for training and not.
    config.recompile_limit = 64
    for child in model.children():
        is_list = isinstance(child, nn.ModuleList | nn.ModuleDict)
        for part in child.children() if is_list else [child]:
            recurrent = any(isinstance(module, nn.LSTM) for module in part.modules())
            # A lone layer is one kernel already.
            if part is not model.features and not recurrent and any(part.children()):
                part.compile(dynamic=True)
