// Draws the last seconds: what was detected when, and which glosses were read.

const SECONDS = 12;
const STRIPS = ["pose", "left_hand", "right_hand"];
const LANES = 3; // of labels, so that neighbours do not cover each other
const LINE = 18;
const STRIP = 7;

export class Timeline {
  constructor(canvas, landmarks) {
    this.canvas = canvas;
    this.landmarks = landmarks;
    this.clear();
  }

  clear() {
    this.frames = [];
    this.committed = [];
    this.provisional = [];
  }

  /** Adds a frame of `Landmarks`, `time` seconds after the first one. */
  addFrame(time, frame) {
    this.frames.push({ time, seen: STRIPS.map((name) => this.landmarks.has(frame, name)) });
    while (this.frames[0].time < time - SECONDS) this.frames.shift();
  }

  addWords({ committed, provisional }) {
    const oldest = (this.frames.at(-1)?.time ?? 0) - SECONDS;
    this.committed = [...this.committed, ...committed].filter((word) => word.time > oldest);
    this.provisional = provisional;
  }

  draw(colours) {
    const { canvas } = this;
    const ratio = devicePixelRatio;
    const width = canvas.clientWidth;
    const height = LANES * LINE + STRIPS.length * (STRIP + 3) + LINE;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== height * ratio) {
      canvas.width = Math.round(width * ratio);
      canvas.height = height * ratio;
      canvas.style.height = `${height}px`;
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const end = Math.max(this.frames.at(-1)?.time ?? 0, SECONDS);
    const x = (time) => ((time - end) / SECONDS + 1) * width;
    this.drawStrips(context, x, LANES * LINE, colours);
    this.drawScale(context, x, end, height - 4, colours);
    this.drawWords(context, x, colours);
  }

  drawStrips(context, x, top, colours) {
    STRIPS.forEach((_, row) => {
      context.fillStyle = [colours.body, colours.left, colours.right][row];
      for (let i = 1; i < this.frames.length; i++) {
        if (!this.frames[i].seen[row]) continue;
        const start = x(this.frames[i - 1].time);
        const width = x(this.frames[i].time) - start + 0.5;
        context.fillRect(start, top + row * (STRIP + 3), width, STRIP);
      }
    });
  }

  drawScale(context, x, end, base, colours) {
    context.fillStyle = colours.dim;
    context.font = "11px system-ui, sans-serif";
    for (let second = Math.ceil((end - SECONDS) / 2) * 2; second < end; second += 2) {
      context.fillText(`${second} s`, x(second) + 2, base);
    }
  }

  drawWords(context, x, colours) {
    const ends = new Array(LANES).fill(-Infinity);
    context.font = "13px system-ui, sans-serif";
    const words = [
      ...this.committed.map((word) => [word, colours.text]),
      ...this.provisional.map((word) => [word, colours.dim]),
    ];
    for (const [{ text, time }, colour] of words) {
      const place = x(time);
      const lane = Math.max(ends.findIndex((edge) => edge < place), 0);
      ends[lane] = place + context.measureText(text).width + 8;
      context.fillStyle = colour;
      context.fillRect(place, lane * LINE + 2, 2, LINE - 4);
      context.fillText(text, place + 5, lane * LINE + 14);
    }
  }
}
