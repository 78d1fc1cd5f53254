// What the page asks its server.

import { wait } from "./dom.js";

export class Refusal extends Error {
  constructor(message, status = 0, problem = "") {
    super(message);
    [this.status, this.problem] = [status, problem];
  }
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(`api/${path}`, options);
  } catch {
    throw new Refusal("The studio has ended: start `stars studio` again.");
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok)
    throw new Refusal(
      body.error || `The studio answers ${answer.status}.`,
      answer.status,
      body.problem,
    );
  return body;
}

export const get = (path) => ask(path);

export const post = (path, content = {}) =>
  ask(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(content),
  });

export function upload(path, files) {
  const form = new FormData();
  for (const file of files) form.append("clip", file, file.name);
  return ask(path, { method: "POST", body: form });
}

// What is found out in the background; `early` is called with a draft.
export async function ready(path, early = null, still = () => true) {
  for (let pause = 60; still(); pause = Math.min(pause * 1.4, 1500)) {
    const body = await get(path);
    if (body.ready && body.final !== false) return body;
    if (body.ready && early) early(body);
    await wait(pause);
  }
  return null;
}

// Clips are asked for once; the oldest are forgotten.
const MOST_KEPT = 400;
const kept = new Map();

export function clipOf(reference, mirrored = false) {
  const key = `${reference} ${mirrored}`,
    rest = reference.slice(1);
  if (kept.has(key)) return kept.get(key);
  const coming = get(
    `${reference[0] === "e" ? `exemplars/${rest}/clip` : `clips/${rest}`}${mirrored ? "?mirrored=true" : ""}`,
  );
  kept.set(key, coming);
  coming.catch(() => kept.delete(key));
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  return coming;
}

export const aligned = (first, second) => get(`align?first=${first}&second=${second}`);
