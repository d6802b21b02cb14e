// Draws landmarks over the picture they were found in.

const chain = (...points) => points.slice(1).map((point, index) => [points[index], point]);
const HAND = [
  ...chain(0, 1, 2, 3, 4),
  ...chain(0, 5, 6, 7, 8),
  ...chain(5, 9, 10, 11, 12),
  ...chain(9, 13, 14, 15, 16),
  ...chain(13, 17, 18, 19, 20),
  [0, 17],
];
const BODY = [...chain(15, 13, 11, 12, 14, 16), ...chain(11, 23, 24, 12)];

/** Draws the picture and the results of MediaPipe on a canvas of the picture's size. */
export function draw(canvas, picture, results, colours) {
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width;
    canvas.height = picture.height;
  }
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const size = Math.max(canvas.width, canvas.height) / 320;
  if (results.faceLandmarks) dots(context, results.faceLandmarks, colours.face, size / 3);
  if (results.poseLandmarks) lines(context, results.poseLandmarks, BODY, colours.body, size);
  for (const [points, colour] of [
    [results.leftHandLandmarks, colours.left],
    [results.rightHandLandmarks, colours.right],
  ]) {
    if (!points) continue;
    lines(context, points, HAND, colour, size);
    dots(context, points, colour, size);
  }
}

function lines(context, points, pairs, colour, width) {
  const { width: w, height: h } = context.canvas;
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  for (const [from, to] of pairs) {
    context.moveTo(points[from].x * w, points[from].y * h);
    context.lineTo(points[to].x * w, points[to].y * h);
  }
  context.stroke();
}

function dots(context, points, colour, radius) {
  const { width: w, height: h } = context.canvas;
  context.fillStyle = colour;
  for (const { x, y } of points) {
    context.beginPath();
    context.arc(x * w, y * h, radius, 0, 2 * Math.PI);
    context.fill();
  }
}
