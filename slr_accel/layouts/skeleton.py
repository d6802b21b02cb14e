"""Lists the bones of body and hands: the edges of the graphs that models compute on."""

from __future__ import annotations

from itertools import pairwise

_CHAINS = (
    "wrist thumb_cmc thumb_mcp thumb_ip thumb_tip",
    "wrist index_mcp index_pip index_dip index_tip",
    "wrist pinky_mcp pinky_pip pinky_dip pinky_tip",
    "index_mcp middle_mcp ring_mcp pinky_mcp",
    "middle_mcp middle_pip middle_dip middle_tip",
    "ring_mcp ring_pip ring_dip ring_tip",
    # MediaPipe leaves mouth and head unconnected; here they are joined to the shoulders.
    "mouth_left nose mouth_right mouth_left",
    "left_shoulder nose right_shoulder left_shoulder",
    "left_hip right_hip",
    *(
        chain.replace("SIDE", side)
        for side in ("left", "right")
        for chain in (
            "nose SIDE_eye_inner SIDE_eye SIDE_eye_outer SIDE_ear",
            "SIDE_shoulder SIDE_elbow SIDE_wrist SIDE_index SIDE_pinky SIDE_wrist SIDE_thumb",
            "SIDE_shoulder SIDE_hip SIDE_knee SIDE_ankle SIDE_heel SIDE_foot_index SIDE_ankle",
        )
    ),
)
BONES = frozenset(frozenset(pair) for chain in _CHAINS for pair in pairwise(chain.split()))
"""Pairs of connected points of MediaPipe's hands and pose, by name, after its documentation."""
