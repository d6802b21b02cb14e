"use strict";
// Replays the landmarks of the page on its canvases. Fetches nothing.
const store = JSON.parse(document.getElementById("clips").textContent);
const ABSENT = 255, TRAIL = 12, FEW_POINTS = 6;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const COLOURS = { left_hand: "--s0", right_hand: "--s1", face: "--s2", pose: "--ink" };

function unpacked(text) {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

class Player {
  constructor(figure) {
    const { points, bones, names } = store.skeleton;
    const clip = store.clips[figure.dataset.clip];
    Object.assign(this, { figure, clip, points, bones, names, frame: 0, playing: false });
    this.data = unpacked(clip.data);
    this.canvas = figure.querySelector("canvas");
    this.button = figure.querySelector("button");
    this.slider = figure.querySelector("input");
    this.clock = figure.querySelector("output");
    const row = figure.closest("[data-step]");
    this.step = row ? Number(row.dataset.step) : 0;
    this.timeline = row ? row.querySelector(".timeline") : null;
    this.button.addEventListener("click", () => (this.playing ? this.stop() : this.play()));
    this.slider.max = clip.frames - 1;
    this.slider.addEventListener("input", () => { this.stop(); this.show(Number(this.slider.value)); });
    if (this.timeline) {
      this.timeline.addEventListener("click", (event) => {
        const { gutter, cell } = this.timeline.dataset;
        const x = event.clientX - this.timeline.getBoundingClientRect().left + this.timeline.scrollLeft;
        const steps = (x - Number(gutter)) / Number(cell);
        if (steps >= 0) { this.stop(); this.show(steps * this.step * clip.rate); }
      });
    }
    this.resize();
    this.show(0);
  }

  resize() {
    const box = this.canvas.parentElement.clientWidth || 280;
    const most = Number(this.canvas.dataset.most) || 260;
    const height = Math.min(most, box / this.clip.aspect);
    const ratio = window.devicePixelRatio || 1;
    this.width = height * this.clip.aspect;
    this.height = height;
    this.canvas.style.width = `${this.width}px`;
    this.canvas.style.height = `${height}px`;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  place(frame, point) {
    const at = 2 * (frame * this.points.length + point);
    if (this.data[at] === ABSENT) return null;
    return [this.data[at] / 254 * this.width, this.data[at + 1] / 254 * this.height];
  }

  line(pen, from, to) {
    if (!from || !to) return;
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.stroke();
  }

  draw() {
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, this.width, this.height);
    const colours = this.names.map((name) => colour(COLOURS[name] || "--ink"));
    const few = this.points.length <= FEW_POINTS;
    pen.lineCap = "round";
    this.points.forEach((block, point) => {
      pen.strokeStyle = pen.fillStyle = colours[block];
      if (few) {
        for (let back = TRAIL; back > 0; back--) {
          if (this.frame < back) continue;
          pen.globalAlpha = 1 - back / (TRAIL + 1);
          pen.lineWidth = 3;
          this.line(pen, this.place(this.frame - back, point), this.place(this.frame - back + 1, point));
        }
        pen.globalAlpha = 1;
      }
      const here = this.place(this.frame, point);
      if (!here) return;
      pen.beginPath();
      pen.arc(...here, few ? 5 : 1.6, 0, 2 * Math.PI);
      pen.fill();
      if (few) pen.fillText(this.names[block].replace("_", " "), here[0] + 8, here[1] + 4);
    });
    pen.lineWidth = 1.6;
    for (const [a, b] of this.bones) {
      pen.strokeStyle = colours[this.points[a]];
      this.line(pen, this.place(this.frame, a), this.place(this.frame, b));
    }
  }

  show(frame) {
    this.frame = Math.max(0, Math.min(this.clip.frames - 1, Math.floor(frame)));
    this.draw();
    this.slider.value = this.frame;
    const seconds = this.frame / this.clip.rate;
    if (this.clock) this.clock.textContent = `${seconds.toFixed(2)} s`;
    if (this.timeline) {
      const { gutter, cell } = this.timeline.dataset;
      const x = Number(gutter) + seconds / this.step * Number(cell);
      this.timeline.querySelector(".cursor").style.left = `${x}px`;
      const view = this.timeline;
      if (this.playing && (x < view.scrollLeft || x > view.scrollLeft + view.clientWidth - 20)) {
        view.scrollLeft = x - view.clientWidth / 2;
      }
    }
  }

  play() {
    this.playing = true;
    this.button.textContent = "Pause";
    const first = this.frame >= this.clip.frames - 1 ? 0 : this.frame;
    let began = null;
    const tick = (now) => {
      if (!this.playing) return;
      began ??= now;
      const frame = first + (now - began) / 1000 * this.clip.rate;
      this.show(frame);
      if (frame >= this.clip.frames) this.stop();
      else requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  stop() {
    this.playing = false;
    this.button.textContent = "Play";
  }
}

const players = [...document.querySelectorAll("[data-clip]")].map((figure) => new Player(figure));
const redraw = () => players.forEach((player) => { player.resize(); player.draw(); });
window.addEventListener("resize", redraw);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
for (const both of document.querySelectorAll("[data-both]")) {
  const own = players.filter((player) => both.contains(player.figure));
  both.querySelector("[data-play-both]").addEventListener("click", () => {
    own.forEach((player) => { player.stop(); player.frame = 0; player.play(); });
  });
}
