// Records an action from the camera, if MediaPipe's files are handed out at `camera/`.

import { h, wait } from "./dom.js";

const COUNTDOWN = 3,
  BONES = [
    [11, 12],
    [11, 13],
    [13, 15],
    [12, 14],
    [14, 16],
    [11, 23],
    [12, 24],
    [23, 24],
    [23, 25],
    [25, 27],
    [24, 26],
    [26, 28],
    [27, 31],
    [28, 32],
  ];
let finder = null;

export const canRecord = (studio) => Boolean(studio.state.camera && navigator.mediaDevices);

async function open() {
  const { FilesetResolver, PoseLandmarker } = await import("./camera/vision_bundle.mjs");
  const files = await FilesetResolver.forVisionTasks(new URL("camera/wasm", location.href).href);
  const options = (delegate) => ({
    baseOptions: {
      modelAssetPath: new URL("camera/pose_landmarker.task", location.href).href,
      delegate,
    },
    runningMode: "VIDEO",
    numPoses: 2,
  });
  return PoseLandmarker.createFromOptions(files, options("CPU"));
}

// Show the camera, take examples after a countdown, and give each as a file.
export function recordDialog(studio, take) {
  const video = h("video", { playsinline: true, "aria-label": "The camera" }),
    canvas = h("canvas.over");
  video.muted = true;
  const said = h("p.count-down", { role: "status" }, "Opening the camera …");
  const seconds = h(
    "select",
    { "aria-label": "Length of an example" },
    [2, 3, 4, 6, 10].map((one) => h("option", { value: one }, `${one} s`)),
  );
  const takes = h(
    "select",
    { "aria-label": "How many examples" },
    [1, 3, 5].map((one) =>
      h("option", { value: one }, one === 1 ? "1 example" : `${one} examples`),
    ),
  );
  seconds.value = 3;
  takes.value = 3;
  const start = h("button.primary", { disabled: true }, "Record");
  const dialog = studio.dialog(
    "Record from the camera",
    h("div.camera", {}, video, canvas),
    said,
    h("div.naming", {}, takes, seconds, start),
    h(
      "p.dim",
      {},
      "Step back until your whole body is in the picture. Pictures are looked at in this page and not kept: what is recorded is the joints.",
    ),
  );
  const session = { live: true, frames: null, last: 0 };
  let stream = null;
  dialog.addEventListener(
    "close",
    () => {
      session.live = false;
      for (const track of stream ? stream.getTracks() : []) track.stop();
    },
    { once: true },
  );

  const look = () => {
    if (!session.live) return;
    const now = performance.now();
    if (video.readyState >= 2 && now > session.last) {
      session.last = now;
      const found = finder.detectForVideo(video, now);
      draw(canvas, video, found.landmarks);
      if (session.frames) session.frames.push({ now, people: found.worldLandmarks });
    }
    requestAnimationFrame(look);
  };

  const record = async () => {
    start.disabled = true;
    for (let number = 1; number <= Number(takes.value) && session.live; number++) {
      for (let left = COUNTDOWN; left > 0 && session.live; left--) {
        said.textContent = `Example ${number} in ${left} …`;
        await wait(1000);
      }
      session.frames = [];
      said.textContent = `Example ${number}: go!`;
      await wait(1000 * Number(seconds.value));
      const { frames } = session;
      session.frames = null;
      if (session.live) take(fileOf(frames, number));
    }
    said.textContent = "Done. Close this, or record more.";
    start.disabled = false;
  };

  start.addEventListener("click", record);
  studio.attempt(async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        video: { width: 640, height: 480 },
        audio: false,
      });
      video.srcObject = stream;
      await video.play();
      said.textContent = "Loading what finds people …";
      finder = finder || (await open());
    } catch (error) {
      said.textContent =
        error.name === "NotAllowedError"
          ? "The browser was not allowed to use the camera: allow it beside the address."
          : error.name === "NotFoundError"
            ? "No camera is found."
            : `The camera cannot be used: ${error.message}`;
      return;
    }
    if (!session.live) return;
    said.textContent = "Ready.";
    start.disabled = false;
    look();
  });
}

// MediaPipe's world landmarks, as the readers of stars take them.
function fileOf(frames, number) {
  const length = frames.length > 1 ? (frames.at(-1).now - frames[0].now) / 1000 : 1;
  const round = (value) => Math.round(value * 1e4) / 1e4;
  const point = ({ x, y, z, visibility = 1 }) => ({
    x: round(x),
    y: round(y),
    z: round(z),
    visibility: round(visibility),
  });
  const data = {
    layout: "mediapipe33",
    fps: Math.max(1, round((frames.length - 1) / length)),
    frames: frames.map(({ people }) => ({
      pose_world_landmarks: people.map((one) => one.map(point)),
    })),
  };
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  return new File([JSON.stringify(data)], `camera ${stamp} ${number}.json`, {
    type: "application/json",
  });
}

function draw(canvas, video, people) {
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const pen = canvas.getContext("2d"),
    style = getComputedStyle(canvas);
  pen.lineWidth = 4;
  pen.strokeStyle = style.getPropertyValue("--apart");
  for (const person of people)
    for (const [a, b] of BONES) {
      pen.beginPath();
      pen.moveTo(person[a].x * canvas.width, person[a].y * canvas.height);
      pen.lineTo(person[b].x * canvas.width, person[b].y * canvas.height);
      pen.stroke();
    }
}
