// Errors in words for the person before the screen.

/** An error whose message can be shown as it is. */
export class Told extends Error {}

const CAMERA = {
  NotFoundError: "No camera was found. Plug one in, or choose a video file.",
  NotAllowedError:
    "The browser may not use the camera. Allow it (the sign beside the address), and try again.",
  NotReadableError: "The camera cannot be opened. Does another program use it?",
};

/** Why a camera did not open. */
export function cameraError(error) {
  return new Told(CAMERA[error.name] ?? `The camera cannot be opened (${error.message}).`);
}

/** The text of any error. */
export function textOf(error) {
  if (error instanceof Told) return error.message;
  console.error(error);
  return `Something failed: ${error.message ?? error}. Reload the page to start again.`;
}
