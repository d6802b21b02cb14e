"""Names the points of MediaPipe's hands and pose."""

from __future__ import annotations

HAND_POINTS = (
    "wrist",
    *(
        f"{finger}_{joint}"
        for finger, joints in {
            "thumb": ("cmc", "mcp", "ip", "tip"),
            "index": ("mcp", "pip", "dip", "tip"),
            "middle": ("mcp", "pip", "dip", "tip"),
            "ring": ("mcp", "pip", "dip", "tip"),
            "pinky": ("mcp", "pip", "dip", "tip"),
        }.items()
        for joint in joints
    ),
)
"""Points of MediaPipe's hands, in its order: the wrist, then each finger from root to tip."""
POSE_POINTS = (
    *("nose", "left_eye_inner", "left_eye", "left_eye_outer"),
    *("right_eye_inner", "right_eye", "right_eye_outer", "left_ear", "right_ear"),
    *("mouth_left", "mouth_right", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky"),
    *("left_index", "right_index", "left_thumb", "right_thumb", "left_hip", "right_hip"),
    *("left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel", "right_heel"),
    *("left_foot_index", "right_foot_index"),
)
