// Notices the end of signing: both hands hang down and are still, or nobody is there.

const REST_SECONDS = 1;
const LOW = 0.9; // shoulder widths below the shoulders: a hand before the belly is higher
const STILL = 0.3; // shoulder widths that a resting wrist moves at most meanwhile

export class RestDetector {
  constructor(landmarks, framesPerSecond) {
    this.landmarks = landmarks;
    this.length = Math.max(Math.round(REST_SECONDS * framesPerSecond), 2);
    this.recent = [];
  }

  /** Adds a frame; says whether the hands have been at rest for a second. */
  add(frame) {
    this.recent.push(this.landmarks.has(frame, "pose") ? this.wrists(frame) : null);
    if (this.recent.length > this.length) this.recent.shift();
    if (this.recent.length < this.length) return false;
    const seen = this.recent.filter((wrists) => wrists !== null);
    return [0, 1, 2, 3].every((axis) => {
      const places = seen.map((wrists) => wrists[axis]);
      const isStill = Math.max(...places) - Math.min(...places) < STILL;
      return !seen.length || (isStill && (axis % 2 === 0 || places.every((y) => y > LOW)));
    });
  }

  /** x, y of both wrists from the middle of the shoulders, in shoulder widths. */
  wrists(frame) {
    const of = (name) => this.landmarks.posePoint(frame, name);
    const [left, right] = [of("left_shoulder"), of("right_shoulder")];
    const width = Math.max(Math.hypot(left[0] - right[0], left[1] - right[1]), 1e-6);
    return [of("left_wrist"), of("right_wrist")].flatMap((wrist) =>
      wrist.map((value, axis) => (value - (left[axis] + right[axis]) / 2) / width),
    );
  }
}
