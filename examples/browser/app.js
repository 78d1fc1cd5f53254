/** The page: its state, and what happens when somebody does something. */

import { readClip, UNITS, UP } from "./clips.js";
import { Encoder } from "./encoder.js";
import { filesOfDrop, filesOfInput } from "./files.js";
import { neighbors, prototypes, vote } from "./naming.js";
import { Stage } from "./stage.js";
import { showActions, showAnswer, showNamed } from "./view.js";

const RUNTIME = "./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";
const MODEL = new URLSearchParams(location.search).get("model") ?? "../../models/stars-mocap-small/";

const $ = (id) => document.getElementById(id);
/** `examples` have an action; `named` have an answer. Both have a file's name, bodies and vector. */
const state = { examples: [], named: [], chosen: null, rule: "1" };
const stage = new Stage($("clip"), $("nearest"), $("play"));
let encoder, layouts;
let idle = Promise.resolve();

/** Do one thing after the other, however fast somebody drops files. */
function inTurn(work) {
  idle = idle.then(work).catch((error) => say(error.message, true));
}

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

/** Say in a box, a line each, what is wrong with files. */
function complain(box, problems) {
  box.querySelector(".problems").replaceChildren(...problems.map((text) =>
    Object.assign(document.createElement("li"), { textContent: text })));
}

async function load(path, form) {
  const answer = await fetch(path);
  if (!answer.ok)
    throw new Error(`${path} is not there: serve the root of the repository, or name a model's folder `
      + "by ?model=FOLDER");
  return answer[form]();
}

async function openEncoder() {
  const began = performance.now();
  const ort = await import(RUNTIME).catch(() => {
    throw new Error("onnxruntime-web is not there: run `npm install` in examples/browser");
  });
  ort.env.wasm.numThreads = 1;  // more need headers that a plain server does not send
  const folder = MODEL.replace(/\/?$/, "/");
  const [info, graph, known] = await Promise.all([load(`${folder}model.json`, "json"),
    load(`${folder}encoder.onnx`, "arrayBuffer"), load("layouts.json", "json")]);
  layouts = known;
  encoder = await Encoder.open(ort, info, new Uint8Array(graph), layouts);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const size = `${(graph.byteLength / 1e6).toFixed(1)} MB`;
  say(`${info.name}, ${size}, ready in ${seconds} s`);
  const { frames, face_camera: turned, standard_body: standard } = encoder.how;
  $("about").textContent = `${info.name} (${info.license}) turns a clip into ${info.width} numbers, `
    + `whose cosine says how similar two clips are. The figures show what it sees: ${frames} frames`
    + `${turned ? ", turned to the camera" : ""}${standard ? ", on a body of standard size" : ""}.`;
  for (const name of Object.keys(layouts)) $("layout").add(new Option(name));
  $("samples").disabled = false;
}

function unsaid() {
  const { value: layout } = $("layout");
  return { ...(layout && { layout }), units: $("units").value, up: $("up").value };
}

/** Read and encode files one after the other; their box tells which cannot be read. */
async function encodeAll(box, files, keep) {
  const problems = [];
  const began = performance.now();
  let done = 0;
  for (const { name, bytes, ...more } of files) {
    say(`Reading ${name} (${done + problems.length + 1} of ${files.length})`);
    try {
      const clip = readClip(name, await bytes(), layouts, unsaid());
      const seconds = clip.bodies.frames / clip.fps;
      keep({ file: name, seconds, ...(await encoder.encode(clip)), ...more });
      done++;
    } catch (error) {
      problems.push(`${name}: ${error.message}`);
    }
    await new Promise((resolve) => setTimeout(resolve));  // let the page draw
  }
  complain(box, problems);
  const each = ((performance.now() - began) / files.length).toFixed(0);
  say(done ? `${done} clip${done > 1 ? "s" : ""} read and encoded, ${each} ms each`
    : "No clip could be read");
  refresh();
}

const opened = ({ file, folder }) => ({ name: file.name, folder, bytes: () => file.arrayBuffer() });

async function teach(chosen) {
  const typed = $("action").value.trim();
  const files = chosen.map(opened).map(({ folder, ...file }) => ({ ...file, action: folder || typed }));
  const unnamed = files.some(({ action }) => !action);
  $("teach").classList.toggle("missing", unnamed);
  if (unnamed) {
    complain($("teach"), ["Say first which action these clips show."]);
    $("action").focus();
    return;
  }
  await encodeAll($("teach"), files, (example) => state.examples.push(example));
  $("action").value = "";
}

async function name(chosen) {
  const before = state.named.length;
  await encodeAll($("name"), chosen.map(opened).map(({ folder, ...file }) => file),
    (clip) => state.named.push(clip));
  if (state.named.length > before) choose(state.named[before]);
}

async function useSamples() {
  $("samples").disabled = true;
  const index = await load("samples/index.json", "json");
  const file = (path) => ({ name: path, bytes: () => load(`samples/${path}`, "arrayBuffer") });
  const taught = Object.entries(index.teach).flatMap(([action, paths]) =>
    paths.map((path) => ({ ...file(path), action })));
  const before = state.named.length;
  await encodeAll($("teach"), taught, (example) => state.examples.push(example));
  await encodeAll($("name"), index.name.map(file), (clip) => state.named.push(clip));
  choose(state.named[before]);
  $("samples").disabled = false;
}

/** Name a clip by the rule that is chosen: the scores of actions, best first, and the neighbors. */
function answerOf(clip) {
  const { rule, examples } = state;
  const near = neighbors(clip.vector, examples);
  const scores = rule === "mean" ? prototypes(clip.vector, examples)
    : vote(clip.vector, examples, Number(rule));
  return { rule, near, scores, label: scores.keys().next().value };
}

function refresh() {
  for (const clip of state.named) clip.answer = state.examples.length ? answerOf(clip) : null;
  $("try").hidden = state.examples.length > 0;
  showActions($("actions"), state.examples, (gone) => {
    state.examples = state.examples.filter((example) => example !== gone);
    refresh();
  });
  showNamed($("named"), state.named, state.chosen, choose);
  const answer = state.chosen?.answer;
  $("answer").hidden = !answer;
  if (!answer) return;
  showAnswer(state.chosen, new Set(state.examples.map(({ action }) => action)));
  stage.show(state.chosen, answer.near.find(({ example }) => example.action === answer.label).example);
}

function choose(clip) {
  state.chosen = clip;
  refresh();
}

/** Hand what is dropped on, or chosen in, a box to `take`. */
function acceptFiles(box, take) {
  const given = (chosen) => inTurn(async () => {
    const files = await chosen;
    if (encoder && files.length) await take(files);
  });
  box.addEventListener("dragover", (event) => { event.preventDefault(); box.classList.add("over"); });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => {
    event.preventDefault();
    box.classList.remove("over");
    given(filesOfDrop(event.dataTransfer));
  });
  for (const button of box.querySelectorAll("[data-pick]"))
    button.addEventListener("click", () => {
      const input = $(button.dataset.pick);
      input.onchange = () => given(filesOfInput(input));
      input.click();
    });
}

acceptFiles($("teach"), teach);
acceptFiles($("name"), name);
for (const event of ["dragover", "drop"])  // a file that misses a box does not replace the page
  window.addEventListener(event, (missed) => missed.preventDefault());
$("samples").addEventListener("click", () => inTurn(useSamples));
$("rule").addEventListener("change", (event) => { state.rule = event.target.value; refresh(); });
for (const unit of Object.keys(UNITS)) $("units").add(new Option(unit));
for (const axis of Object.keys(UP)) $("up").add(new Option(axis));
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
openEncoder().catch((error) => say(error.message, true));
