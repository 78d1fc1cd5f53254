/** Turn clips into vectors with a model directory, `model.json` and `encoder.onnx`, unchanged. */

import { prepare, preprocessing } from "./prepare.js";

const SCHEMA = 1;

export class Encoder {
  /**
   * @param {object} ort The module onnxruntime-web.
   * @param {object} info Content of `model.json`.
   * @param {Uint8Array} graph Content of `encoder.onnx`.
   * @param {object} layouts Content of layouts.json.
   * @throws {Error} If the model needs what this page does not do.
   */
  static async open(ort, info, graph, layouts) {
    if (info.schema !== SCHEMA || info.layout !== "ntu25")
      throw new Error("model.json is of another version of stars-infer");
    if (info.streams.length) throw new Error("models of several streams do not run here");
    const how = preprocessing(info.preprocessing);
    const session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"] });
    return new Encoder(ort, info, how, layouts, session);
  }

  constructor(ort, info, how, layouts, session) {
    Object.assign(this, { ort, info, how, layouts, session });
  }

  /**
   * The bodies that the network sees, and the vector of a clip.
   *
   * @param {import("./clips.js").Clip} clip
   * @returns {Promise<{bodies: import("./bodies.js").Bodies, vector: Float32Array}>}
   */
  async encode(clip) {
    const bodies = prepare(clip, this.how, this.layouts);
    const { frames, samplings } = this.how;
    const shape = [bodies.count * samplings, frames, bodies.joints, 3];
    const input = new this.ort.Tensor("float32", bodies.data, shape);
    const outputs = await this.session.run({ [this.session.inputNames[0]]: input });
    return { bodies, vector: this.average(outputs[this.session.outputNames[0]].data, bodies.count) };
  }

  /** Average the vectors of all samplings and bodies; a `zero_body` stands for an absent second. */
  average(vectors, count) {
    const { width, zero_body: zero } = this.info;
    const vector = new Float32Array(width), runs = vectors.length / width;
    vectors.forEach((value, i) => { vector[i % width] += value / runs; });
    return zero && count === 1 ? vector.map((value, i) => (value + zero[i]) / 2) : vector;
  }
}
