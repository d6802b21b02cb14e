// The page: starts and stops a source, and shows what the recogniser makes of it.

import { cardRows, fill } from "./card.js";
import { draw } from "./drawing.js";
import { loadHolistic } from "./mediapipe.js";
import { Meter } from "./meter.js";
import { loadModel } from "./model.js";
import { Session } from "./session.js";
import { cameraPictures, filePictures } from "./sources.js";
import { textOf, Told } from "./told.js";
import { Timeline } from "./timeline.js";
import { Transcript } from "./transcript.js";

const FOLDER = new URL("./", import.meta.url).href;
const LARGEST = 1280; // pixels of the longer side that landmarks are sought in
const NO_HANDS = 60; // seconds

const element = (id) => document.getElementById(id);
const transcript = new Transcript(element("transcript"));
const picture = document.createElement("canvas"); // as it came: never mirrored
let model, timeline, findLandmarks;
let stop = () => {};
let ended = Promise.resolve();

function say(text, isError = false) {
  if (element("status").textContent === text) return; // else it would be read out again
  element("status").textContent = text;
  element("status").classList.toggle("error", isError);
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["body", "left", "right", "face", "text", "dim"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`)]));
}

/** Reads pictures until they end, or until another source starts, which waits for that. */
function start(pictures, { mirrored }) {
  stop();
  const control = new AbortController();
  stop = () => control.abort();
  ended = ended.then(() => run(pictures(control.signal), control.signal, mirrored));
}

async function run(pictures, signal, mirrored) {
  if (signal.aborted) return; // a third source was chosen meanwhile
  document.body.classList.add("running");
  document.querySelector(".hint")?.remove();
  element("picture").classList.toggle("mirrored", mirrored);
  try {
    await follow(pictures, signal);
    say(signal.aborted ? "Stopped." : "The video has ended.");
  } catch (error) {
    say(textOf(error), true);
  }
  document.body.classList.remove("running");
}

async function follow(pictures, signal) {
  transcript.clear();
  timeline.clear();
  if (!findLandmarks) {
    say("Loading MediaPipe …");
    findLandmarks = await loadHolistic(FOLDER);
  }
  findLandmarks.reset();
  const meter = new Meter();
  const emit = (frames) => meter.timed("reading", () => model.emit(frames));
  const session = new Session({ ...model, emit });
  say("Waiting for the first picture …");
  try {
    await readAll(pictures, signal, session, meter);
    show([await session.end()], meter);
  } catch (error) {
    if (error instanceof Told) show([await session.end()], meter); // what was read stays
    if (error instanceof WebAssembly.RuntimeError) findLandmarks = null; // MediaPipe broke down
    throw error;
  }
}

async function readAll(pictures, signal, session, meter) {
  let handsSeen = null;
  for await (const taken of pictures) {
    if (taken.afterGap) show([await session.interrupt()], meter);
    keep(taken);
    const results = await meter.timed("landmarks", () => findLandmarks(picture));
    if (signal.aborted) return;
    const frame = model.landmarks.ofResults(results, taken.width, taken.height);
    const updates = await session.add(taken.time, frame);
    const now = taken.time - session.first;
    meter.picture(taken.dropped);
    const committed = updates.flatMap((update) => update.committed);
    committed.forEach((word) => meter.note("delay", now - word.time));
    timeline.addFrame(now, frame);
    draw(element("picture"), picture, results, colours());
    show(updates, meter);
    if (handsSeen === null || results.leftHandLandmarks || results.rightHandLandmarks) {
      handsSeen = taken.time;
    }
    const isLong = taken.time - handsSeen > NO_HANDS;
    say(isLong ? "No hands for a minute. Are they in the picture, and in good light?" : "Reading.");
  }
}

/** Copies a picture, which may change while it is read. */
function keep({ picture: source, width, height }) {
  const scale = Math.min(LARGEST / Math.max(width, height), 1);
  picture.width = Math.round(width * scale);
  picture.height = Math.round(height * scale);
  picture.getContext("2d").drawImage(source, 0, 0, picture.width, picture.height);
}

function show(updates, meter) {
  for (const update of updates) {
    transcript.add(update);
    timeline.addWords(update);
  }
  timeline.draw(colours());
  fill(element("figures"), meter.rows());
}

function startFile(file) {
  if (file) {
    const rate = model.manifest.web.frames_per_second;
    start((signal) => filePictures(file, rate, signal), { mirrored: false });
  }
}

function listen() {
  element("camera").onclick = () => start(cameraPictures, { mirrored: true });
  element("stop").onclick = () => stop();
  element("file").onchange = ({ target }) => {
    startFile(target.files[0]);
    target.value = ""; // the same file may be chosen again
  };
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    startFile(event.dataTransfer.files[0]);
  });
  addEventListener("resize", () => timeline.draw(colours()));
}

try {
  model = await loadModel(FOLDER);
  timeline = new Timeline(element("timeline"), model.landmarks);
  fill(element("card"), cardRows(model));
  fill(element("figures"), new Meter().rows());
  element("vocabulary").textContent = model.manifest.vocabulary.join(", ");
  timeline.draw(colours());
  listen();
  for (const id of ["camera", "file"]) element(id).disabled = false;
  say("Ready.");
} catch (error) {
  say(textOf(error), true);
}
