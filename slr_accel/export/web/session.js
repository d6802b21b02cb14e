// Joins what live recognition needs: landmarks to the model's rate, chunks, words, rest.

import { RateConverter } from "./rate.js";
import { RestDetector } from "./rest.js";
import { Stream } from "./streaming.js";

export class Session {
  /** `model` is that of model.js: emit, landmarks and the manifest. */
  constructor(model) {
    const { manifest, landmarks } = model;
    this.model = model;
    this.landmarks = landmarks;
    this.manifest = manifest;
    this.rate = manifest.web.frames_per_second;
    this.first = null; // time of the first frame
    this.restart();
  }

  restart() {
    this.converter = new RateConverter(this.landmarks, this.rate);
    this.rest = new RestDetector(this.landmarks, this.rate);
    this.stream = null;
    this.frames = 0; // at the model's rate, since the start or the last interruption
  }

  /** Adds a frame of `Landmarks`, with its time in seconds; returns what it has changed. */
  async add(time, frame) {
    this.first ??= time;
    const updates = [];
    for (const made of this.converter.add(time, frame)) {
      const atRest = this.rest.add(made);
      this.frames++;
      if (atRest) {
        if (this.stream) updates.push(await this.end());
        continue;
      }
      if (!this.stream) {
        const { output_stride: stride, blank, web } = this.manifest;
        this.stream = new Stream(this.model.emit, stride, blank, web.streaming);
        this.offset = this.frames - 1;
      }
      const update = await this.stream.push(this.landmarks.chosen(made));
      if (update) updates.push(this.words(update, false));
    }
    return updates;
  }

  /** Commits the rest of the sentence, where one is open. */
  async end() {
    const { stream } = this;
    this.stream = null;
    const update = stream ? await stream.end() : { committed: [], provisional: [] };
    return this.words(update, true);
  }

  /** Ends the sentence: frames that follow come after a gap. */
  async interrupt() {
    const update = await this.end();
    this.restart();
    return update;
  }

  words({ committed, provisional }, atRest) {
    const start = (this.converter.start ?? this.first) - this.first;
    const word = ({ token, step, confidence }) => ({
      text: this.manifest.vocabulary[token - 1],
      time: start + (this.offset + step * this.manifest.output_stride) / this.rate,
      confidence,
    });
    return { committed: committed.map(word), provisional: provisional.map(word), atRest };
  }
}
