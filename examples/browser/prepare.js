/**
 * Prepare a clip for the encoder as its `model.json` says: bodies (1 or 2, frames, 25, 3).
 *
 * This is `stars_infer/preprocessing` (prepare.py, normalize.py, resample.py) in JavaScript, step by
 * step; tests/test_browser.py holds both to the same numbers.
 */

import { selectActors } from "./actors.js";
import { Bodies, distance } from "./bodies.js";
import { FROM_ROOT, JOINTS, PARENTS, SIDES, STANDARD_LENGTHS } from "./skeleton.js";

/** Smallest and largest ratio by which a bone is stretched. */
const STRETCH = [1 / 3, 3];
/** Number of frames to which a clip is resampled before its pace is measured. */
const PACE_FRAMES = 128;
/** Standard deviation, in these frames, of the smoothing that keeps noise from being motion. */
const PACE_SMOOTHING = 2;
/** The golden ratio, less 1: no other number has multiples that spread as evenly modulo 1. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

const DEFAULTS = {
  frames: 120, crop: 0.9, center_joint: 1, face_camera: false, standard_body: false, pace: 0,
  samplings: 1,
};

/**
 * Check the `preprocessing` of a `model.json`, and fill in what it leaves out.
 *
 * @throws {Error} If it names a step that is not known here, since vectors would be wrong.
 */
export function preprocessing(stated) {
  const unknown = Object.keys(stated).filter((key) => !(key in DEFAULTS));
  if (unknown.length)
    throw new Error(`model.json asks for the preparation "${unknown[0]}", which is unknown here`);
  return { ...DEFAULTS, ...stated };
}

/**
 * Select actors, map them to NTU-25, center, crop, resample and normalize them.
 *
 * @param {import("./clips.js").Clip} clip
 * @param {object} how What `preprocessing` gives.
 * @param {object} layouts Content of layouts.json.
 * @returns {Bodies} (1 or 2, samplings * frames, 25, 3); several samplings follow each other.
 */
export function prepare(clip, how, layouts) {
  const { count, joints: matrix } = layouts[clip.layout];
  if (count !== clip.bodies.joints)
    throw new Error(`${clip.bodies.joints} joints, but ${clip.layout} has ${count}`);
  const actors = selectActors(clip, (bodies) => toNtu25(bodies, matrix));
  if (actors.frames < 2) throw new Error("a body is seen in one frame only: record longer");
  let bodies = centerCrop(center(toNtu25(actors, matrix), how.center_joint), how.crop);
  bodies = how.pace ? resize(bodies, PACE_FRAMES) : resize(bodies, how.frames, how.samplings);
  if (how.face_camera) bodies = faceCamera(bodies);
  if (how.standard_body) bodies = center(standardBody(bodies), how.center_joint);
  if (how.pace) bodies = evenPace(bodies, how.frames, how.pace, how.samplings);
  return bodies;
}

/**
 * Map joints to NTU-25.
 *
 * @param {Bodies} bodies (M, T, V, 3)
 * @param {number[][][]} matrix For each NTU-25 joint the [joint, weight] pairs it is mixed of.
 */
export function toNtu25(bodies, matrix) {
  const mapped = new Bodies(bodies.count, bodies.frames, JOINTS);
  for (let body = 0; body < bodies.count; body++)
    for (let frame = 0; frame < bodies.frames; frame++) {
      const from = bodies.pose(body, frame), to = mapped.pose(body, frame);
      matrix.forEach((mixture, joint) => {
        for (let axis = 0; axis < 3; axis++) {
          let sum = 0;
          for (const [source, weight] of mixture) sum += weight * from[3 * source + axis];
          to[3 * joint + axis] = sum;
        }
      });
    }
  return mapped;
}

/** Make the joint of actor 1, where it is first seen, the origin; the absent stay at zero. */
export function center(actors, joint) {
  const first = actors.seen(0)[0] ?? 0;
  const origin = actors.pose(0, first).slice(3 * joint, 3 * joint + 3);
  return forPresent(actors, (value, axis) => value - origin[axis]);
}

/** Keep the middle frames, from b to T - b with b = floor((1 - share) * T / 2). */
export function centerCrop(bodies, share) {
  const bias = Math.floor((1 - share) * bodies.frames / 2);
  return bodies.slice(bias, bodies.frames - bias);
}

/**
 * The moments that become frames: the middle of each of equal parts of the clip, or, of several
 * samplings, one moment of every part each.
 */
export function moments(frames, samplings = 1) {
  const result = new Float64Array(frames * samplings);
  for (let sampling = 0; sampling < samplings; sampling++)
    for (let step = 0; step < frames; step++) {
      const within = samplings === 1 ? 0.5 : ((sampling + 0.5) / samplings + step * GOLDEN) % 1;
      result[sampling * frames + step] = step + within;
    }
  return result;
}

/** Resample to `frames`, linearly, with half-pixel centers. */
export function resize(bodies, frames, samplings = 1) {
  const scale = bodies.frames / frames;
  return bodies.resampled(moments(frames, samplings).map((moment) => moment * scale - 0.5));
}

/** Turn actors about y so that actor 1, on average, faces -z, as who looks into a sensor. */
export function faceCamera(actors) {
  let x = 0, z = 0;
  for (const frame of actors.seen(0)) {
    const pose = actors.pose(0, frame);
    for (const [left, right] of SIDES) {
      x += pose[3 * right] - pose[3 * left];
      z += pose[3 * right + 2] - pose[3 * left + 2];
    }
  }
  const angle = Math.atan2(z, x), cos = Math.cos(angle), sin = Math.sin(angle);
  const turned = new Bodies(actors.count, actors.frames, actors.joints, actors.data.slice());
  for (let i = 0; i < turned.data.length; i += 3) {
    const [x0, z0] = [actors.data[i], actors.data[i + 2]];
    turned.data[i] = cos * x0 + sin * z0;
    turned.data[i + 2] = cos * z0 - sin * x0;
  }
  return turned;
}

/**
 * Give every body the bone lengths of a standard adult: each bone is stretched by one ratio over the
 * clip, its standard length over the lower median of its lengths.
 */
export function standardBody(actors) {
  const result = new Bodies(actors.count, actors.frames, JOINTS);
  for (let actor = 0; actor < actors.count; actor++) {
    const seen = actors.seen(actor);
    if (!seen.length) continue;
    const stretch = PARENTS.map((parent, joint) => {
      const lengths = seen.map((frame) => {
        const pose = actors.pose(actor, frame);
        return distance(pose, joint, pose, parent);
      });
      const median = lengths.sort((a, b) => a - b)[Math.floor((seen.length - 1) / 2)];
      const ratio = STANDARD_LENGTHS[joint] / Math.max(median, 1e-6);
      return Math.min(Math.max(ratio, STRETCH[0]), STRETCH[1]);
    });
    for (const frame of seen) {
      const from = actors.pose(actor, frame), to = result.pose(actor, frame);
      for (let axis = 0; axis < 3; axis++) {
        to[axis] = from[axis];
        for (const joint of FROM_ROOT) {
          const parent = PARENTS[joint];
          const bone = from[3 * joint + axis] - from[3 * parent + axis];
          to[3 * joint + axis] = to[3 * parent + axis] + bone * stretch[joint];
        }
      }
    }
  }
  return result;
}

/**
 * Resample so that frames are evenly spaced in a mix of motion, weighted by `share`, and of time.
 * Motion is the length of the path of a body's joints, taken as one point of 75 numbers, relative to
 * the base of the spine.
 */
export function evenPace(actors, frames, share, samplings = 1) {
  const fine = resize(actors, PACE_FRAMES);
  const steps = pathLengths(fine);
  const mean = Math.max(steps.reduce((sum, step) => sum + step, 0) / steps.length, 1e-9);
  const path = [0];
  for (const step of steps) path.push(path.at(-1) + share * step / mean + (1 - share));
  const whole = path.at(-1);
  return fine.resampled(moments(frames, samplings).map((m) => whereOn(path, m / frames * whole)));
}

/** How far actors move, smoothed, from each frame to the next, (T - 1,): root sums of squares. */
function pathLengths(actors) {
  const steps = new Float64Array(actors.frames - 1);
  for (let actor = 0; actor < actors.count; actor++) {
    const smooth = smoothedOffsets(actors, actor);
    for (let frame = 0; frame < steps.length; frame++)
      steps[frame] += Math.hypot(...smooth[frame + 1].map((value, i) => value - smooth[frame][i]));
  }
  return steps;
}

/** Joints (T, 25 * 3) of an actor relative to the base of its spine, smoothed by a Gaussian. */
function smoothedOffsets(actors, actor) {
  const offsets = Array.from({ length: actors.frames }, (_, frame) => {
    const pose = actors.pose(actor, frame);
    return pose.map((value, i) => value - pose[i % 3]);
  });
  const reach = Math.ceil(3 * PACE_SMOOTHING);
  const kernel = Array.from({ length: 2 * reach + 1 },
    (_, i) => Math.exp(-0.5 * ((i - reach) / PACE_SMOOTHING) ** 2));
  const total = kernel.reduce((sum, weight) => sum + weight, 0);
  return offsets.map((_, frame) => {
    const smooth = new Float64Array(JOINTS * 3);
    kernel.forEach((weight, i) => {
      const at = Math.min(Math.max(frame + i - reach, 0), offsets.length - 1);
      for (let j = 0; j < smooth.length; j++) smooth[j] += weight / total * offsets[at][j];
    });
    return smooth;
  });
}

/** The fractional index at which a rising path has a value, clamped to its ends. */
function whereOn(path, value) {
  if (value >= path.at(-1)) return path.length - 1;
  let low = 0, high = path.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (path[middle] <= value) low = middle; else high = middle;
  }
  return low + Math.max(value - path[low], 0) / (path[high] - path[low]);
}

/** Bodies whose numbers are changed wherever a body is present. */
function forPresent(bodies, change) {
  const result = new Bodies(bodies.count, bodies.frames, bodies.joints);
  for (let body = 0; body < bodies.count; body++)
    for (const frame of bodies.seen(body)) {
      const from = bodies.pose(body, frame), to = result.pose(body, frame);
      for (let i = 0; i < from.length; i++) to[i] = change(from[i], i % 3);
    }
  return result;
}
