"""Compiles all of a model but the features and the LSTMs, by torch.compile."""

from __future__ import annotations

import os
import shutil

import torch
from torch import nn

from slr_accel.models.recogniser import Recogniser


def compile_parts(model: Recogniser, device: torch.device) -> None:
    """Has each part compiled when it is first called; the names of weights stay.

    LSTMs are left out because they break the graph, and features because they write in place. A
    part is compiled once for batches of all lengths.

    Raises:
        ValueError: there is no C++ compiler for a CPU, or torch's path has a space.
    """
    if " " in torch.__file__:
        raise ValueError(
            f"compile does not work where torch's path has a space, as {torch.__file__} has; "
            "install torch elsewhere, or leave --compile out"
        )
    compilers = [os.environ.get("CXX", "g++"), "clang++"]
    if device.type == "cpu" and not any(map(shutil.which, compilers)):
        raise ValueError("compile needs a C++ compiler: install g++, or leave --compile out")
    from torch._dynamo import config

    # Blocks of a class count as one function, and each has two versions: training and evaluation.
    config.recompile_limit = 64
    for child in model.children():
        is_list = isinstance(child, nn.ModuleList | nn.ModuleDict)
        for part in child.children() if is_list else [child]:
            recurrent = any(isinstance(module, nn.LSTM) for module in part.modules())
            # A single layer is one kernel already.
            if part is not model.features and not recurrent and any(part.children()):
                part.compile(dynamic=True)
