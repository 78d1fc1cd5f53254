/**
 * Read clips: `.json` and `.jsonl` in the project's own form, as `stars pose` writes it, `.npy`, and
 * NTU RGB+D `.skeleton`.
 *
 * Missing joints are interpolated in time. `stars` mends more (docs/sources.md): what this page refuses
 * or takes badly, read it there.
 */

import { Bodies } from "./bodies.js";
import { readNpy } from "./npy.js";

/**
 * @typedef {object} Clip
 * @property {string} name For people.
 * @property {string} layout Name of the joint layout, a key of layouts.json.
 * @property {number} fps Frames per second.
 * @property {Bodies} bodies (M, T, V, 3), meters, y up, right-handed.
 */

/** Points of which a tracker is less sure count as missing. */
const LEAST_CONFIDENCE = 0.3;
/** Height or width of a body, in meters, below and above which its unit must be another. */
const SMALLEST = 0.3, LARGEST = 4;
const MOST_FRAMES = 20000;
/** Meters in a unit. */
export const UNITS = { m: 1, cm: 0.01, mm: 0.001, in: 0.0254 };
/** For each axis that points up: which axes become x, y and z, and their signs. */
export const UP = {
  "y": [[0, 1, 2], [1, 1, 1]],
  "-y": [[0, 1, 2], [-1, -1, 1]],
  "z": [[0, 2, 1], [1, 1, -1]],
  "-z": [[0, 2, 1], [1, -1, 1]],
  "x": [[1, 0, 2], [-1, 1, 1]],
  "-x": [[1, 0, 2], [1, -1, 1]],
};
/** What is usual, where neither a file nor its user says anything; a layout is never guessed. */
const USUAL = { units: "m", up: "y", handedness: "right", fps: 30 };
/** What `.skeleton` files are in. */
const SKELETON = { ...USUAL, layout: "ntu25" };
/** Keys of a frame's time, and the seconds in their units. */
const TIMES = { time: 1, time_ms: 0.001, timestamp_ms: 0.001 };

/**
 * Read a clip from a file's bytes.
 *
 * @param {string} name Name of the file, whose ending tells the format.
 * @param {ArrayBuffer} bytes
 * @param {object} layouts Content of layouts.json.
 * @param {object} unsaid `layout`, `units` and `up` of files that do not say them.
 * @returns {Clip}
 * @throws {Error} With the reason, if it holds no usable motion.
 */
export function readClip(name, bytes, layouts, unsaid = {}) {
  const ending = name.toLowerCase().match(/\.(jsonl?|npy|skeleton)$/)?.[1];
  if (!ending) throw new Error("not a .json, .jsonl, .npy or .skeleton file");
  const text = () => new TextDecoder().decode(bytes);
  const found = {
    json: () => fromJson(parse(text(), "the file")),
    jsonl: () => fromLines(text()),
    npy: () => ({ said: {}, tracks: bodiesOfArray(readNpy(bytes)) }),
    skeleton: () => ({ said: SKELETON, tracks: tracksOf(framesOfSkeleton(text())) }),
  }[ending]();
  const said = Object.fromEntries(Object.entries(found.said).filter(([, value]) => value != null));
  const convention = { ...USUAL, ...unsaid, ...said };
  const bodies = ordered(found.tracks, found.names, convention.layout, layouts);
  toStandard(bodies, convention);
  mend(bodies, found.confidence);
  check(bodies);
  return { name, layout: convention.layout, fps: convention.fps, bodies };
}

function parse(text, where) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${where} is not JSON`);
  }
}

/** A whole clip under `bodies`, or a list of frames, which may lie under `frames`. */
function fromJson(content) {
  const frames = Array.isArray(content) ? content : content?.frames;
  if (Array.isArray(frames)) return fromFrames(content, frames);
  if (!Array.isArray(content?.bodies)) throw new Error("no bodies and no frames in it");
  const perFrame = (lists, at) => lists?.map((list) => list?.[at]);
  const length = Math.max(0, ...content.bodies.map((body) => body?.length ?? 0));
  return fromFrames(content, Array.from({ length }, (_, at) => ({
    bodies: perFrame(content.bodies, at), confidence: perFrame(content.confidence, at),
  })));
}

/** One frame a line, of which the first may be a description. */
function fromLines(text) {
  const lines = text.split("\n").map((line, i) => [line, i + 1]).filter(([line]) => line.trim());
  const frames = lines.map(([line, number]) => parse(line, `line ${number}`));
  const described = frames.length && frames[0] && !Array.isArray(frames[0])
    && !("bodies" in frames[0] || "joints" in frames[0]);
  return fromFrames(described ? frames.shift() : {}, frames);
}

function fromFrames(header, frames) {
  const people = frames.map(peopleIn);
  const times = timesOf(frames);
  const { layout, units, up, handedness, joint_names: names } = header;
  const fps = header.fps ?? (times && (times.length - 1) / (times.at(-1) - times[0]));
  const even = times ? evened(people, times) : people;
  const tracks = tracksOf(even), confidence = tracksOf(even, "confidence");
  return { said: { layout, units, up, handedness, fps }, names, tracks, confidence };
}

/** The bodies of a frame: `{bodies, confidence?, ids?}`, `{joints, confidence?}`, or bare lists. */
function peopleIn(frame, at) {
  if (frame == null) return [];
  let { bodies, confidence, ids } = frame;
  if (frame.joints) [bodies, confidence] = [[frame.joints], [frame.confidence]];
  if (Array.isArray(frame)) bodies = Array.isArray(frame[0]?.[0]) ? frame : [frame];
  if (!Array.isArray(bodies)) throw new Error(`frame ${at} holds no bodies`);
  return bodies.map((joints, number) => ({
    identity: String(ids?.[number] ?? number),
    joints: joints?.length ? joints.map((point, joint) => pointOf(point, joint, at)) : [],
    confidence: confidence?.[number],
  })).filter(({ joints }) => joints.length);
}

function pointOf(point, joint, at) {
  if (point === null) return [NaN, NaN, NaN];
  if (Array.isArray(point) && point.length === 3
      && point.every((value) => value === null || Number.isFinite(value)))
    return point.map((value) => value ?? NaN);
  throw new Error(`frame ${at}, joint ${joint}: expected [x, y, z]`);
}

function timesOf(frames) {
  const key = Object.keys(TIMES).find((one) => frames.every((frame) => Number.isFinite(frame?.[one])));
  const times = frames.length > 1 && key && frames.map((frame) => frame[key] * TIMES[key]);
  return times && times.every((time, i) => !i || time > times[i - 1]) ? times : null;
}

/** For each of as many even moments the frame that is nearest in time. */
function evened(people, times) {
  const step = (times.at(-1) - times[0]) / (times.length - 1);
  let near = 0;
  return people.map((_, at) => {
    const wanted = times[0] + at * step;
    while (near + 1 < times.length
      && Math.abs(times[near + 1] - wanted) <= Math.abs(times[near] - wanted)) near++;
    return people[near];
  });
}

/** Positions (M, T, V, 3) of people, or how sure their joints are, 0 to 1, one a coordinate. */
function tracksOf(frames, what = "joints") {
  const identities = [...new Set(frames.flat().map(({ identity }) => identity))];
  const joints = frames.flat()[0]?.joints.length ?? 0;
  const tracks = new Bodies(identities.length, frames.length, joints);
  frames.forEach((people, frame) => people.forEach((person) => {
    if (person.joints.length !== joints)
      throw new Error(`frame ${frame}: ${person.joints.length} joints, but others have ${joints}`);
    const sure = person.confidence ?? new Array(joints).fill(1);
    const values = what === "joints" ? person.joints : sure.map((one) => [one, one, one]);
    tracks.pose(identities.indexOf(person.identity), frame).set(values.flat());
  }));
  return tracks;
}

/** The frames of a `.skeleton` file: the number of bodies, and for each a line and its joints. */
function framesOfSkeleton(text) {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  let at = 0;
  const count = () => {
    const number = Number(lines[at++]);
    if (!Number.isInteger(number) || number < 0) throw new Error(`line ${at}: expected a number`);
    return number;
  };
  return Array.from({ length: Math.min(count(), MOST_FRAMES + 1) }, () =>
    Array.from({ length: count() }, () => {
      const identity = lines[at++]?.split(" ")[0];
      const joints = Array.from({ length: count() }, () => {
        const point = (lines[at++] ?? "").split(/\s+/).slice(0, 3).map(Number);
        if (point.length < 3) throw new Error(`line ${at}: expected a joint`);
        return point.map((value) => (Number.isFinite(value) ? value : NaN));
      });
      return { identity, joints };
    }));
}

/** Positions (T, V, 3), (M, T, V, 3), or (3, T, V, M) as NTU RGB+D's networks take them. */
function bodiesOfArray({ shape, values }) {
  const full = shape.length === 3 ? [1, ...shape] : shape;
  if (full.length === 4 && full[3] === 3)
    return new Bodies(full[0], full[1], full[2], Float32Array.from(values));
  if (full.length !== 4 || full[0] !== 3)
    throw new Error(`shape (${shape.join(", ")}): expected (T, V, 3), (M, T, V, 3) or (3, T, V, M)`);
  const [, frames, joints, count] = full;
  const bodies = new Bodies(count, frames, joints);
  values.forEach((value, i) => {
    const body = i % count, joint = Math.floor(i / count) % joints;
    const frame = Math.floor(i / (count * joints)) % frames;
    const axis = Math.floor(i / (count * joints * frames));
    bodies.data[bodies.at(body, frame) + 3 * joint + axis] = value;
  });
  return bodies;
}

/** Check that joints are those of the layout, and bring named ones into its order. */
function ordered(tracks, names, layout, layouts) {
  if (tracks.count === 0) throw new Error("nobody is in it");
  if (!layout) throw new Error("it does not say which joints these are: choose the layout");
  const known = layouts[layout];
  if (!known) throw new Error(`the layout "${layout}" is unknown here`);
  if (tracks.joints !== known.count && !names)
    throw new Error(`${tracks.joints} joints, but ${layout} has ${known.count}: choose another layout`);
  if (!names) return tracks;
  const places = known.names.map((joint) => names.indexOf(joint));
  const missing = places.indexOf(-1);
  if (missing >= 0) throw new Error(`no joint is named "${known.names[missing]}" of ${layout}`);
  const result = new Bodies(tracks.count, tracks.frames, known.count);
  for (let body = 0; body < tracks.count; body++)
    for (let frame = 0; frame < tracks.frames; frame++) {
      const from = tracks.pose(body, frame), to = result.pose(body, frame);
      places.forEach((place, joint) => to.set(from.subarray(3 * place, 3 * place + 3), 3 * joint));
    }
  return result;
}

/** Bring positions to meters, y up, right-handed axes, in place. */
function toStandard({ data }, { units, up, handedness }) {
  const scale = UNITS[units] ?? Number(units);
  if (!(scale > 0)) throw new Error(`units "${units}": known are ${Object.keys(UNITS).join(", ")}`);
  if (!UP[up]) throw new Error(`up "${up}": known are ${Object.keys(UP).join(", ")}`);
  const [axes, signs] = UP[up], mirrored = handedness === "left" ? -1 : 1;
  for (let i = 0; i < data.length; i += 3) {
    const point = axes.map((axis, j) => data[i + axis] * signs[j] * scale);
    data.set([mirrored * point[0], point[1], point[2]], i);
  }
}

/** Interpolate joints that are missing where their body is seen, in place. */
function mend(bodies, confidence) {
  for (let body = 0; body < bodies.count; body++) {
    const known = Array.from({ length: bodies.joints }, () => []);
    const seen = [];
    for (let frame = 0; frame < bodies.frames; frame++) {
      const start = bodies.at(body, frame), before = known.map((frames) => frames.length);
      for (let joint = 0; joint < bodies.joints; joint++) {
        const point = bodies.data.subarray(start + 3 * joint, start + 3 * joint + 3);
        const sure = confidence?.data[start + 3 * joint] ?? 1;
        const there = point.every(Number.isFinite) && point.some((value) => value !== 0);
        if (there && sure >= LEAST_CONFIDENCE) known[joint].push(frame);
      }
      if (known.some((frames, joint) => frames.length > before[joint])) seen.push(frame);
      else bodies.pose(body, frame).fill(0);
    }
    known.forEach((frames, joint) => fill(bodies, body, joint, frames, seen));
  }
}

/** Interpolate one joint between the frames that know it; the first and last of them are held. */
function fill(bodies, body, joint, known, seen) {
  const point = (frame) => bodies.pose(body, frame).subarray(3 * joint, 3 * joint + 3);
  if (!known.length) {  // never sure: what the tracker guessed, or the origin of relative positions
    if (seen.every((frame) => point(frame).every(Number.isFinite))) return;
    throw new Error(`joint ${joint} is never seen`);
  }
  let next = 0;
  for (const frame of seen) {
    while (next < known.length && known[next] < frame) next++;
    const [from, to] = [known[Math.max(next - 1, 0)], known[Math.min(next, known.length - 1)]];
    if (to === frame) continue;
    const weight = to > from ? (frame - from) / (to - from) : 0;
    point(frame).set(point(from).map((value, axis) => value * (1 - weight) + point(to)[axis] * weight));
  }
}

/** Refuse what cannot be a motion of people. */
function check(bodies) {
  if (bodies.frames > MOST_FRAMES) throw new Error(`${bodies.frames} frames: cut out one action`);
  const sizes = [], seenIn = new Set();
  for (let body = 0; body < bodies.count; body++)
    for (const frame of bodies.seen(body)) {
      const pose = bodies.pose(body, frame);
      sizes.push(Math.max(...[0, 1, 2].map((axis) => {
        const values = pose.filter((_, i) => i % 3 === axis);
        return Math.max(...values) - Math.min(...values);
      })));
      seenIn.add(frame);
    }
  if (!sizes.length) throw new Error("nobody is in it");
  if (seenIn.size < 2) throw new Error("a body is seen in one frame only: record longer");
  const size = sizes.sort((a, b) => a - b)[Math.floor(sizes.length / 2)];
  if (size < SMALLEST || size > LARGEST)
    throw new Error(`bodies are ${size.toPrecision(2)} m large: choose the units`);
}
