/** Read NumPy's `.npy` files: arrays of numbers, in C order or Fortran order. */

const TYPES = {
  "<f4": ["getFloat32", 4], "<f8": ["getFloat64", 8], "<i2": ["getInt16", 2], "<i4": ["getInt32", 4],
  ">f4": ["getFloat32", 4], ">f8": ["getFloat64", 8], ">i2": ["getInt16", 2], ">i4": ["getInt32", 4],
};

/**
 * @param {ArrayBuffer} bytes
 * @returns {{shape: number[], values: Float64Array}} In C order.
 * @throws {Error} If it is no such file.
 */
export function readNpy(bytes) {
  const view = new DataView(bytes);
  const text = (from, to) => new TextDecoder().decode(bytes.slice(from, to));
  if (bytes.byteLength < 12 || text(1, 6) !== "NUMPY") throw new Error("not a .npy file");
  const long = view.getUint8(6) > 1;
  const start = long ? 12 : 10;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = text(start, start + length);
  const type = header.match(/'descr': *'([^']*)'/)?.[1];
  const shape = header.match(/'shape': *\(([^)]*)\)/)?.[1].split(",").filter((one) => one.trim())
    .map(Number);
  if (!TYPES[type] || !shape) throw new Error(`numbers of the type ${type}: save them as float32`);
  const [get, size] = TYPES[type];
  const values = new Float64Array(shape.reduce((product, one) => product * one, 1));
  if (start + length + values.length * size > bytes.byteLength) throw new Error("the file is cut off");
  for (let i = 0; i < values.length; i++)
    values[i] = view[get](start + length + i * size, type[0] === "<");
  return { shape, values: /'fortran_order': *True/.test(header) ? toC(values, shape) : values };
}

/** Bring values whose first axis varies fastest into the order whose last does. */
function toC(values, shape) {
  const result = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    let rest = i, at = 0, step = 1;
    const index = [];
    for (const length of shape) {
      index.push(rest % length);
      rest = Math.floor(rest / length);
    }
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += index[axis] * step;
      step *= shape[axis];
    }
    result[at] = values[i];
  }
  return result;
}
