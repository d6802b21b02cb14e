// Landmarks of a frame as the recogniser's training data has them.
//
// A frame is {values: Float32Array, presence: Uint8Array} in MediaPipe's columns: block by block,
// point by point, axis by axis, 0 where a block was not found. The manifest names both layouts.

const HEIGHT = "the frame's height";
const RESULTS = {
  pose: "poseLandmarks",
  left_hand: "leftHandLandmarks", // the signer's left hand, where the picture is not mirrored
  right_hand: "rightHandLandmarks",
  face: "faceLandmarks",
};

class Layout {
  constructor(json) {
    this.blocks = [];
    let start = 0;
    for (const block of json.blocks) {
      const columns = block.points.length * block.axes.length;
      this.blocks.push({ ...block, start, columns });
      start += columns;
    }
    this.columns = start;
  }

  index(name) {
    return this.blocks.findIndex((block) => block.name === name);
  }

  column(blockName, point, axis) {
    const block = this.blocks[this.index(blockName)];
    const number = block.points.indexOf(point);
    return block.start + number * block.axes.length + block.axes.indexOf(axis);
  }
}

export class Landmarks {
  constructor(manifest) {
    this.stored = new Layout(manifest.web.landmarks);
    const own = new Layout(manifest.layout);
    this.inHeights = manifest.units === HEIGHT;
    this.blocks = own.blocks.map((block) => this.stored.index(block.name));
    this.columns = own.blocks.flatMap((block) =>
      block.points.flatMap((point) =>
        block.axes.map((axis) => this.stored.column(block.name, point, axis)),
      ),
    );
  }

  /** A frame of what MediaPipe Holistic found in an upright, unmirrored picture. */
  ofResults(results, width, height) {
    const { stored } = this;
    const frame = {
      values: new Float32Array(stored.columns),
      presence: new Uint8Array(stored.blocks.length),
    };
    stored.blocks.forEach((block, number) => {
      const points = results[RESULTS[block.name]];
      if (!points?.length) return;
      if (points.length !== block.points.length) {
        throw new Error(`MediaPipe gives ${points.length} points of ${block.name}`);
      }
      frame.presence[number] = 1;
      let column = block.start;
      for (const point of points) {
        for (const axis of block.axes) {
          frame.values[column++] = axis === "confidence" ? (point.visibility ?? 0) : point[axis];
        }
      }
    });
    return this.inOwnUnits(frame, width, height);
  }

  /** Brings fractions of the frame's width and height to the model's unit, in place. */
  inOwnUnits(frame, width, height) {
    if (!this.inHeights) return frame;
    const factor = Math.fround(width / height);
    for (const block of this.stored.blocks) {
      block.axes.forEach((axis, number) => {
        if (axis !== "x" && axis !== "z") return; // z is in widths too
        const end = block.start + block.columns;
        for (let c = block.start + number; c < end; c += block.axes.length) {
          frame.values[c] *= factor;
        }
      });
    }
    return frame;
  }

  /** The values and presence that the model reads. */
  chosen(frame) {
    return {
      values: Float32Array.from(this.columns, (column) => frame.values[column]),
      presence: Uint8Array.from(this.blocks, (block) => frame.presence[block]),
    };
  }

  /** [x, y] of a point of the pose. */
  posePoint(frame, name) {
    return ["x", "y"].map((axis) => frame.values[this.stored.column("pose", name, axis)]);
  }

  has(frame, name) {
    return Boolean(frame.presence[this.stored.index(name)]);
  }
}
