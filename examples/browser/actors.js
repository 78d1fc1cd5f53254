/**
 * Choose the one or two actors among the bodies of a clip, by how they move.
 *
 * These are the rules of `stars_infer/clips/actors.py` and `tracks.py`, with one left out: here every
 * body is a person, and one whom the tracker lost and found again is two.
 */

import { Bodies, distance } from "./bodies.js";
import { SIDES } from "./skeleton.js";

/** Activity, in meters, below which a person stands still, and below which a body is no person. */
const STILL = 0.045, FROZEN = 0.004;
/** Who moves less than this share of the one who moves most does not act. */
const MUCH_LESS = 0.6;
/** Who is seen for less than this share of the time of the one seen longest passes by. */
const PASSING = 0.5;
/** Distances, in meters, of people who touch, and of people who face each other. */
const TOUCH = 0.2, FACE_TO_FACE = 1.3;
/** Cosine of the angle up to which somebody faces somebody else. */
const FACING = 0.5;
/** Share of the joints by whose movement activity is measured. */
const MOST_MOVING = 0.25;
/** Seconds for which a body must be seen beside others. */
const MIN_SEEN = 0.4;
/** A body is wide if its width exceeds this share of its height. */
const SPREAD_RATIO = 0.8;
/** A body that is wide in this share of its frames is furniture. */
const MAX_WIDE_SHARE = 0.69754;

/**
 * Keep the one or two bodies that act, and the frames in which they are seen.
 *
 * @param {import("./clips.js").Clip} clip
 * @param {(bodies: Bodies) => Bodies} toNtu25 Maps joints of the clip's layout.
 * @returns {Bodies} (1 or 2, T', V, 3); first the actor that moves more.
 */
export function selectActors(clip, toNtu25) {
  const { bodies } = clip;
  let tracks = tracksOf(bodies);
  if (tracks.length > 1) {
    tracks = dropFurniture(dropGlimpses(tracks, clip.fps));
    tracks = acting(tracks, toNtu25(bodies));
  }
  const cast = mergeTracks(tracks, bodies.frames);
  const kept = [];
  for (let frame = 0; frame < bodies.frames; frame++)
    if (cast.some((row) => row[frame] >= 0)) kept.push(frame);
  const actors = new Bodies(cast.length, kept.length, bodies.joints);
  cast.forEach((row, actor) => kept.forEach((frame, at) => {
    if (row[frame] >= 0) actors.pose(actor, at).set(bodies.pose(row[frame], frame));
  }));
  return actors;
}

/** A body that is seen: its number, the frames that show it, and its joints in them. */
function tracksOf(bodies) {
  return Array.from({ length: bodies.count }, (_, number) => {
    const seen = bodies.seen(number);
    return { number, seen, poses: seen.map((frame) => bodies.pose(number, frame)) };
  }).filter((track) => track.seen.length);
}

function dropGlimpses(tracks, fps) {
  const long = tracks.filter((track) => track.seen.length >= Math.round(MIN_SEEN * fps));
  if (long.length) return long;
  return [tracks.reduce((most, one) => (one.seen.length > most.seen.length ? one : most))];
}

function dropFurniture(tracks) {
  let left = tracks.length;
  return tracks.filter((track) => {
    const wide = track.poses.filter(isWide).length / track.poses.length;
    return left === 1 || wide < MAX_WIDE_SHARE || (left--, false);
  });
}

function isWide(pose) {
  return extent(pose, 0) > SPREAD_RATIO * extent(pose, 1);
}

function extent(pose, axis) {
  const values = pose.filter((_, i) => i % 3 === axis);
  return Math.max(...values) - Math.min(...values);
}

/** Leave out who stands still, passes by or moves much less, unless they meet one who acts. */
function acting(tracks, ntu25) {
  if (tracks.length === 1) return tracks;
  const moves = tracks.map((track) => activity(track.poses));
  const most = Math.max(...moves);
  if (most < FROZEN) return tracks;
  const acts = moves.map((move) => move >= STILL || move >= MUCH_LESS * most);
  const leaveOut = (measures, share) => {
    const largest = Math.max(...measures.filter((_, i) => acts[i]));
    return measures.map((measure, i) => {
      const out = acts[i] && measure < share * largest;
      if (out) acts[i] = false;
      return out;
    });
  };
  const passes = leaveOut(tracks.map((track) => track.seen.length), PASSING);
  leaveOut(moves, MUCH_LESS);
  const actors = tracks.filter((_, i) => acts[i]);
  return tracks.filter((track, i) => acts[i] || (moves[i] >= FROZEN && actors.some((actor) =>
    touch(actor, track) || (!passes[i] && faceToFace(actor, track, ntu25)))));
}

/**
 * How much a body moves, apart from going somewhere, in meters: the root mean square distance from
 * their mean places of the quarter of the joints that move most, less the noise of the sensor.
 */
export function activity(poses) {
  const joints = poses[0].length / 3, spread = new Float64Array(joints);
  const centered = poses.map((pose) => {
    const middle = [0, 1, 2].map((axis) => {
      let sum = 0;
      for (let i = axis; i < pose.length; i += 3) sum += pose[i];
      return sum / joints;
    });
    return Float64Array.from(pose, (value, i) => value - middle[i % 3]);
  });
  const count = poses.length;
  for (let i = 0; i < 3 * joints; i++) {
    let mean = 0, variance = 0, noise = 0;
    for (const pose of centered) mean += pose[i] / count;
    for (const pose of centered) variance += (pose[i] - mean) ** 2 / count;
    for (let at = 2; at < count; at++)
      noise += (centered[at][i] - 2 * centered[at - 1][i] + centered[at - 2][i]) ** 2;
    spread[Math.floor(i / 3)] += variance - (count > 2 ? noise / (count - 2) / 6 : 0);
  }
  const moving = spread.map((one) => Math.max(one, 0)).sort()
    .slice(-Math.max(1, Math.round(MOST_MOVING * joints)));
  return Math.sqrt(moving.reduce((sum, one) => sum + one, 0) / moving.length);
}

/** The poses of two tracks in the frames that show both. */
function together(one, other) {
  const theirs = new Map(other.seen.map((frame, i) => [frame, other.poses[i]]));
  return one.seen.map((frame, i) => [one.poses[i], theirs.get(frame), frame])
    .filter(([, pose]) => pose);
}

function touch(one, other) {
  return together(one, other).some(([mine, theirs]) => {
    for (let i = 0; i < mine.length / 3; i++)
      for (let j = 0; j < theirs.length / 3; j++)
        if (distance(mine, i, theirs, j) < TOUCH) return true;
    return false;
  });
}

function faceToFace(one, other, ntu25) {
  const frames = together(one, other).map(([, , frame]) => frame);
  if (!frames.length) return false;
  const mine = frames.map((frame) => ntu25.pose(one.number, frame));
  const theirs = frames.map((frame) => ntu25.pose(other.number, frame));
  const way = [0, 2].map((axis) => meanOf(theirs, axis) - meanOf(mine, axis));
  const length = Math.hypot(...way);
  return length > 0 && length < FACE_TO_FACE && [[mine, 1], [theirs, -1]].every(([poses, sign]) => {
    const [x, z] = front(poses);
    return sign * (x * way[0] + z * way[1]) > FACING * length;
  });
}

function meanOf(poses, axis) {
  let sum = 0;
  for (const pose of poses) for (let i = axis; i < pose.length; i += 3) sum += pose[i];
  return sum / (poses.length * poses[0].length / 3);
}

/** The direction (x, z) in which NTU-25 joints face on the level, of length 1. */
function front(poses) {
  let x = 0, z = 0;
  for (const pose of poses)
    for (const [left, right] of SIDES) {
      x += pose[3 * right] - pose[3 * left];
      z += pose[3 * right + 2] - pose[3 * left + 2];
    }
  const length = Math.max(Math.hypot(x, z), 1e-9);
  return [z / length, -x / length];
}

/** Summed variance of the positions, with or without wide frames, whichever is smaller. */
function motion(track) {
  const slim = track.poses.filter((pose) => !isWide(pose));
  const whole = variance(track.poses);
  return slim.length ? Math.min(whole, variance(slim)) : whole;
}

function variance(poses) {
  const means = [0, 1, 2].map((axis) => meanOf(poses, axis));
  let sum = 0;
  for (const pose of poses)
    for (let i = 0; i < pose.length; i++) sum += (pose[i] - means[i % 3]) ** 2;
  return sum / (poses.length * poses[0].length / 3);
}

/**
 * Lay tracks into one or two rows with the number of the body that is the actor in each frame, -1
 * where it is missing. A track before or after all that the first actor has goes on with that
 * actor; any other fills the gaps of the second.
 */
function mergeTracks(tracks, frames) {
  const order = tracks.map((track) => [motion(track), track]).sort(([a], [b]) => b - a);
  const cast = [new Int32Array(frames).fill(-1), new Int32Array(frames).fill(-1)];
  let first = Infinity, last = -Infinity;
  for (const [, track] of order) {
    const [start, end] = [track.seen[0], track.seen.at(-1)];
    const apart = first > last || end < first || start > last;
    for (const frame of track.seen)
      if (apart || cast[1][frame] < 0) cast[apart ? 0 : 1][frame] = track.number;
    if (apart) [first, last] = [Math.min(first, start), Math.max(last, end)];
  }
  return cast[1].some((number) => number >= 0) ? cast : cast.slice(0, 1);
}
