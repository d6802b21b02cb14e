"""Trains as `python -m slr_accel.train` does, and reports what became of the teacher."""

import hashlib
import json
import sys

from slr_accel.distillation.teachers import Teachers
from slr_accel.models.find import find_model
from slr_accel.models.folder import load_model
from slr_accel.train import main
from slr_accel.training import setup

seen: list[Teachers] = []


def weights_hash() -> str:
    digest = hashlib.sha256()
    for tensor in seen[0].each[0].model.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def watched(make):
    def made(*args):
        teachers = make(*args)
        seen.extend(t for t in teachers if isinstance(t, Teachers))
        report["before"] = weights_hash()
        return teachers

    return made


report = {"teacher": True}
setup.make_teachers = watched(setup.make_teachers)
code = main(sys.argv[1:])
[teacher] = seen[0].each
report |= {
    "after": weights_hash(),
    "modes": sorted({module.training for module in teacher.model.modules()}),
    "dtypes": sorted({str(w.dtype) for w in teacher.model.parameters()}),
    "parameters": sum(w.numel() for w in teacher.model.parameters()),
    "whole": sum(w.numel() for w in load_model(find_model(teacher.source))[0].parameters()),
}
print(f"\n{json.dumps(report)}", flush=True)
sys.exit(code)
