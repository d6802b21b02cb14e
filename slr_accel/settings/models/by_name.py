"""Lists the models: each has a file of its name here and in slr_accel/models."""

from __future__ import annotations

from slr_accel.settings.models.base import ModelSettings
from slr_accel.settings.models.cosign import CoSignSettings
from slr_accel.settings.models.speech import SpeechSettings
from slr_accel.settings.models.student import StudentSettings
from slr_accel.settings.models.student_reference import StudentReferenceSettings
from slr_accel.settings.models.teacher import TeacherSettings

MODELS: dict[str, type[ModelSettings]] = {
    "student": StudentSettings,
    "student_reference": StudentReferenceSettings,
    "teacher": TeacherSettings,
    "cosign": CoSignSettings,
    "speech": SpeechSettings,
}
DEFAULT_MODEL = "student"
