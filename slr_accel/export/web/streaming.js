// Reads a stream with an offline model: overlapping windows, and a prefix that stays.
//
// Every `chunk` frames the model reads a window: `left` frames that were committed before, and all
// that came since. Output steps that lie `look_ahead` frames before the newest frame are committed,
// and with them their tokens, which are never taken back; later ones are provisional. Decoding is
// greedy. slr_accel/live/streaming.py is the same in Python.

export class Stream {
  /** `emit` takes frames of a window to its log-probabilities {data, steps, outputs}. */
  constructor(emit, stride, blank, settings) {
    Object.assign(this, { emit, stride, blank, settings });
    this.received = 0;
    this.read = 0; // frames up to the last reading
    this.start = 0; // frame of the first row of the window
    this.done = 0; // committed steps
    this.last = blank; // label of the last committed step
    this.window = [];
  }

  /** Adds a frame {values, presence}; returns what a reading changed, or null. */
  async push(frame) {
    this.window.push(frame);
    this.received++;
    if (this.received - this.read < this.settings.chunk) return null;
    this.read = this.received;
    const { look_ahead: lookAhead } = this.settings;
    return this.update(Math.floor(Math.max(this.read - lookAhead, 0) / this.stride));
  }

  /** Commits the rest: no more frames follow. */
  async end() {
    this.read = this.received;
    return this.received ? this.update(null) : { committed: [], provisional: [] };
  }

  /** Reads the window, and commits the steps before `limit`; null commits all. */
  async update(limit) {
    const logProbs = await this.emit(this.window);
    const first = this.start / this.stride;
    const total = first + logProbs.steps;
    const end = limit === null ? total : Math.min(Math.max(limit, this.done), total);
    const committed = this.tokens(logProbs, first, this.done, end);
    this.last = committed.last;
    this.done = end;
    const provisional = this.tokens(logProbs, first, end, total);
    let start = Math.max(this.done * this.stride - this.settings.left, 0);
    start -= start % this.stride;
    this.window.splice(0, start - this.start);
    this.start = start;
    return { committed: committed.found, provisional: provisional.found };
  }

  /** Tokens that begin in the steps `from` to `to`, which follow a step with the last label. */
  tokens({ data, steps, outputs }, first, from, to) {
    const best = (step) => {
      const row = data.subarray(step * outputs, (step + 1) * outputs);
      return row.reduce((top, value, label) => (value > row[top] ? label : top), 0);
    };
    const found = [];
    let { last } = this;
    for (let step = from; step < to; step++) {
      const label = best(step - first);
      if (label !== this.blank && label !== last) {
        let until = step - first;
        let sum = 0;
        for (; until < steps && best(until) === label; until++) {
          sum += Math.exp(data[until * outputs + label]);
        }
        found.push({ token: label, step, confidence: sum / (until - (step - first)) });
      }
      last = label;
    }
    return { found, last };
  }
}
