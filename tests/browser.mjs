// Does in Node what the page of examples/browser does, for tests/test_browser.py. The job comes as
// JSON from standard input; the answer goes as JSON to standard output.

import { readFileSync } from "node:fs";
import { basename } from "node:path";

const page = new URL("../examples/browser/", import.meta.url);
const load = (name) => import(new URL(name, page));
const json = (path) => JSON.parse(readFileSync(path, "utf8"));
const layouts = json(new URL("layouts.json", page));

const { readClip } = await load("clips.js");
const { prepare, preprocessing } = await load("prepare.js");
const { prototypes, vote } = await load("naming.js");

function clipOf(path, unsaid) {
  const bytes = readFileSync(path);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  return readClip(basename(path), buffer, layouts, unsaid);
}

const jobs = {
  prepare({ paths, how, unsaid }) {
    return paths.map((path) => {
      const bodies = prepare(clipOf(path, unsaid), preprocessing(how), layouts);
      return { shape: [bodies.count, bodies.frames, bodies.joints, 3], data: [...bodies.data] };
    });
  },
  errors({ paths, unsaid }) {
    return paths.map((path) => {
      try {
        return clipOf(path, unsaid) && "";
      } catch (error) {
        return error.message;
      }
    });
  },
  async vectors({ model, paths }) {
    const ort = await load("node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs");
    const { Encoder } = await load("encoder.js");
    ort.env.wasm.numThreads = 1;
    const graph = readFileSync(`${model}/encoder.onnx`);
    const encoder = await Encoder.open(ort, json(`${model}/model.json`), graph, layouts);
    const vectors = [];
    for (const path of paths) vectors.push([...(await encoder.encode(clipOf(path))).vector]);
    return vectors;
  },
  name({ examples, vectors, n }) {
    return vectors.map((vector) => ({
      vote: [...vote(vector, examples, n)], prototypes: [...prototypes(vector, examples)],
    }));
  },
};

const job = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(await jobs[job.do](job)));
