// Measures how long things take, and how late glosses come.

const KEPT = 50;

export class Meter {
  constructor() {
    this.values = { landmarks: [], reading: [], delay: [], gap: [] };
    this.dropped = 0;
    this.shown = null; // when the last picture was shown, ms
  }

  note(name, value) {
    const values = this.values[name];
    values.push(value);
    if (values.length > KEPT) values.shift();
  }

  async timed(name, work) {
    const start = performance.now();
    const result = await work();
    this.note(name, performance.now() - start);
    return result;
  }

  picture(dropped) {
    const now = performance.now();
    if (this.shown !== null) this.note("gap", now - this.shown);
    this.shown = now;
    this.dropped += dropped;
  }

  rows() {
    const { landmarks, reading, delay, gap } = this.values;
    const rate = gap.length ? `, ${(1000 / mean(gap)).toFixed(1)} a second` : "";
    return [
      ["Landmarks", landmarks.length ? `${mean(landmarks).toFixed(0)} ms a picture${rate}` : "–"],
      ["Recogniser", reading.length ? `${mean(reading).toFixed(0)} ms a reading` : "–"],
      ["Delay", delay.length ? `${mean(delay).toFixed(1)} s until a gloss stays` : "–"],
      ["Pictures dropped", String(this.dropped)],
    ];
  }
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
