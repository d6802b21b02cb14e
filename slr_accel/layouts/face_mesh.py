"""Describes MediaPipe's face mesh of 468 points: names, contours and mirror images.

The contours are the FACEMESH_* lists of MediaPipe 0.10.21, each written along its line
(python/solutions/face_mesh_connections.py). Left and right are the person's own.
"""

from __future__ import annotations

REFINED_FACE_POINTS = 478
"""Points of a refined face (refine_face_landmarks): the mesh, then the irises."""
FACE_POINTS = tuple("nose" if i == 1 else f"point_{i}" for i in range(468))
"""In MediaPipe's order; only the tip of the nose has a name."""
IRIS_POINTS = REFINED_FACE_POINTS - len(FACE_POINTS)

_OUTER_LIPS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
    *(185, 40, 39, 37, 0, 267, 269, 270, 409),
)
_INNER_LIPS = (
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
    *(191, 80, 81, 82, 13, 312, 311, 310, 415),
)
_RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)
_LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)
_RIGHT_EYEBROW = (46, 53, 52, 65, 55, 70, 63, 105, 66, 107)
_LEFT_EYEBROW = (276, 283, 282, 295, 285, 300, 293, 334, 296, 336)
_NOSE = (
    *(168, 6, 197, 195, 5, 4, 1, 19, 94, 2),
    *(98, 97, 326, 327, 294, 278, 344, 440, 275, 45, 220, 115, 48, 64),
)
_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288),
    *(397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136),
    *(172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)

LIP_POINTS = tuple(
    FACE_POINTS[i]
    for i in (0, 17, 37, 39, 40, 61, 84, 91, 146, 181, 185, 267, 269, 270, 291, 314, 321, 375, 405)
)
"""The 19 points of the outer lips that Isharah has, in its order."""

_LINES = (
    *(_OUTER_LIPS, _INNER_LIPS, _RIGHT_EYE, _LEFT_EYE, _RIGHT_EYEBROW, _LEFT_EYEBROW, _NOSE),
    _OVAL[::3],
)
REDUCED = frozenset(FACE_POINTS[i] for line in _LINES for i in line)
"""The 128 points that matter for signing: lips, eyes, eyebrows, nose, a third of the outline."""

_MIDDLE = (
    *(0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19),
    *(94, 151, 152, 164, 168, 175, 195, 197, 199, 200),
)


def explain_refined(subject: str) -> str:
    """Words for a message: the cure for refined landmarks, which `subject` has."""
    return (
        f"{subject} {REFINED_FACE_POINTS} points, MediaPipe's refined landmarks "
        f"(refine_face_landmarks): leave out the last {IRIS_POINTS} points of the face, the irises"
    )


def _mirrored() -> dict[str, str]:
    # MediaPipe's canonical_face_model.obj (modules/face_geometry/data) is symmetric: apart from the
    # middle, the points of the right side come first, then those of the left in the same order.
    sides = [name for i, name in enumerate(FACE_POINTS) if i not in _MIDDLE]
    half = len(sides) // 2
    other = dict(zip(sides, sides[half:] + sides[:half], strict=True))
    return {name: other.get(name, name) for name in FACE_POINTS}


MIRRORED = _mirrored()
"""{point: its mirror image}"""
