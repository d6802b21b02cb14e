// Finds landmarks with MediaPipe Holistic, whose files lie in the folder of the page.

import { Told } from "./told.js";

// Those of training: slr_accel/video/holistic.py.
const OPTIONS = {
  modelComplexity: 1,
  smoothLandmarks: true,
  refineFaceLandmarks: false,
  minDetectionConfidence: 0.5,
  minTrackingConfidence: 0.5,
  selfieMode: false, // left is left: it would mirror the picture
};

// It smooths the pose over time. Python's counts 30 pictures a second, whatever the clock says.
const STEP = 33.333; // ms

/** Loads Holistic; returns a function from a canvas to its results. */
export async function loadHolistic(folder) {
  const vendor = new URL("vendor/holistic/", folder).href;
  if (!document.createElement("canvas").getContext("webgl2")) {
    throw new Told("Landmarks need WebGL 2, which this browser does not have or has switched off.");
  }
  if (!globalThis.Holistic) await loadScript(`${vendor}holistic.js`);
  const holistic = new Holistic({ locateFile: (name) => vendor + name });
  holistic.setOptions(OPTIONS);
  let results;
  holistic.onResults((found) => (results = found));
  try {
    await holistic.initialize();
  } catch (error) {
    throw new Told(`MediaPipe does not start in this browser (${error.message ?? error}).`);
  }
  let time = 0;
  const find = async (canvas) => {
    time += STEP;
    // The public `send` takes no time; the one inside, in the version that is pinned, does.
    await holistic.h.send({ image: canvas }, time);
    return results;
  };
  // It tracks from frame to frame: a new video or camera begins anew.
  find.reset = () => holistic.reset();
  return find;
}

function loadScript(address) {
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = done;
    script.onerror = () => failed(new Told(`${address} cannot be loaded: is the folder whole?`));
    document.head.append(script);
  });
}
