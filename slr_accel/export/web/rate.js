// Brings frames that come at times of their own to the model's frame rate, as they come.

const ROUNDING = 1e-6; // in frames: the rounding error of a time

export class RateConverter {
  constructor(landmarks, framesPerSecond) {
    this.blocks = landmarks.stored.blocks;
    this.rate = framesPerSecond;
    this.start = null;
    this.before = null;
    this.count = 0;
  }

  /** Adds a frame, later in seconds than the one before; returns those that lie before or at it. */
  add(time, frame) {
    const before = this.before;
    this.before = { time, frame };
    if (before === null) {
      this.start = time;
      this.count = 1;
      return [frame];
    }
    const made = [];
    const upto = Math.floor((time - this.start) * this.rate + ROUNDING) + 1;
    for (; this.count < upto; this.count++) {
      const wanted = this.start + this.count / this.rate;
      const weight = (wanted - before.time) / Math.max(time - before.time, Number.MIN_VALUE);
      made.push(this.between(before.frame, frame, weight));
    }
    return made;
  }

  /** A block is interpolated where both frames have it; else the nearer frame is copied. */
  between(earlier, later, weight) {
    const values = new Float32Array(earlier.values.length);
    const presence = new Uint8Array(earlier.presence.length);
    this.blocks.forEach((block, number) => {
      const both = earlier.presence[number] && later.presence[number];
      const own = both ? weight : Number(weight > 0.5);
      presence[number] = (own > 0.5 ? later : earlier).presence[number];
      for (let c = block.start; c < block.start + block.columns; c++) {
        values[c] = earlier.values[c] + own * (later.values[c] - earlier.values[c]);
      }
    });
    return { values, presence };
  }
}
