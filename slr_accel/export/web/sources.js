// Pictures of a camera or a video file, one when it is asked for: none waits in between.
//
// Both yield {time, picture, width, height, dropped, afterGap}. The picture is never mirrored.

import { cameraError, Told } from "./told.js";

const GAP = 1000; // ms without a picture, as when the page is hidden: a new sentence begins
const UNCHANGED = 250; // ms after which a position in a video shows the frame of the one before

/** Pictures of the camera until `signal` is aborted. Those that come meanwhile are dropped. */
export async function* cameraPictures(signal) {
  if (!navigator.mediaDevices) {
    throw new Told("Browsers give the camera to pages on https or on 127.0.0.1 alone.");
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 720 } },
      audio: false,
    });
  } catch (error) {
    throw cameraError(error);
  }
  const video = makeVideo();
  const [track] = stream.getVideoTracks();
  let wake = () => {};
  signal.addEventListener("abort", () => wake());
  track.onended = () => wake();
  try {
    video.srcObject = stream;
    await video.play();
    let presented = null;
    for (;;) {
      const asked = performance.now();
      const shown = await new Promise((done) => {
        wake = done;
        nextPicture(video, done);
      });
      if (signal.aborted) return;
      if (track.readyState === "ended") {
        throw new Told("The camera gives no more pictures. Was it unplugged?");
      }
      const dropped = presented === null ? 0 : Math.max(shown.count - presented - 1, 0);
      const afterGap = presented !== null && performance.now() - asked > GAP;
      presented = shown.count;
      yield { time: shown.now / 1000, ...seen(video), dropped, afterGap };
    }
  } finally {
    stream.getTracks().forEach((each) => each.stop());
    video.srcObject = null;
  }
}

/** The frames of a video file, as many as the model reads: none is dropped on a slow machine. */
export async function* filePictures(file, framesPerSecond, signal) {
  const video = makeVideo();
  const address = URL.createObjectURL(file);
  try {
    video.src = address;
    await happened(video, "loadeddata", file.name);
    if (!video.videoWidth) throw unreadable(file.name);
    let last = -1;
    for (let number = 0; !signal.aborted; number++) {
      const wanted = (number + 0.5) / framesPerSecond; // halves: on edges times are rounded
      if (wanted > video.duration) return;
      await visible(); // a hidden page is not told which frame is shown
      const time = await seek(video, wanted, last, file.name);
      if (time > last) yield { time, ...seen(video), dropped: 0, afterGap: false };
      last = Math.max(time, last);
      if (video.ended && wanted > video.currentTime) return; // one without a known duration
    }
  } finally {
    video.onerror = null;
    video.removeAttribute("src");
    video.load(); // else it goes on reading, and complains of a file that is gone
    URL.revokeObjectURL(address);
  }
}

/** Goes to a time of a video; returns that of the frame it shows there. */
async function seek(video, wanted, last, name) {
  const sought = happened(video, "seeked", name);
  const shown = video.requestVideoFrameCallback
    ? new Promise((done) => video.requestVideoFrameCallback((_, { mediaTime }) => done(mediaTime)))
    : sought.then(() => video.currentTime);
  video.currentTime = wanted;
  await sought;
  const unchanged = new Promise((done) => setTimeout(() => done(last), UNCHANGED));
  return Promise.race([shown, unchanged]);
}

/** Calls `done` with {now, count} of the next picture: its time in ms, and its number. */
function nextPicture(video, done) {
  if (video.requestVideoFrameCallback) {
    video.requestVideoFrameCallback((now, { presentedFrames: count }) => done({ now, count }));
  } else {
    requestAnimationFrame((now) => done({ now, count: 0 }));
  }
}

function visible() {
  return new Promise((done) => {
    if (!document.hidden) done();
    else document.addEventListener("visibilitychange", done, { once: true });
  });
}

function makeVideo() {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  return video;
}

const seen = (video) => ({ picture: video, width: video.videoWidth, height: video.videoHeight });

function happened(video, event, name) {
  return new Promise((done, failed) => {
    video[`on${event}`] = done;
    video.onerror = () => failed(unreadable(name));
  });
}

function unreadable(name) {
  return new Told(
    `This browser cannot show ${name}. Phones often record HEVC, which few browsers read: ` +
      "ffmpeg -i VIDEO NEW.mp4 writes a file that all do.",
  );
}
