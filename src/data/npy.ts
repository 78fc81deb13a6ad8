/**
 * .npy, numpy's file of one array: a magic, a version, a header that is the text of a Python dictionary, and the
 * numbers. Read: versions 1.0 and 2.0, little-endian floats (32, 64) and integers (8 to 64 bits), C order; written:
 * version 1.0. Format: numpy.lib.format. Not here: objects, structures, text, booleans, Fortran order.
 */

import { fail, show } from "../errors.ts";
import { knownIn } from "../found.ts";

/** numpy's names of the elements that are read, and the typed array that holds each. One map; the rest is derived. */
const ARRAYS = {
  "<f4": Float32Array,
  "<f8": Float64Array,
  "|i1": Int8Array,
  "<i2": Int16Array,
  "<i4": Int32Array,
  "<i8": BigInt64Array,
  "|u1": Uint8Array,
  "<u2": Uint16Array,
  "<u4": Uint32Array,
  "<u8": BigUint64Array,
} as const;
type NpyType = keyof typeof ARRAYS;
export type NpyArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

export interface Npy {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: NpyArray;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** Where the numbers start is a multiple of this. */
const ALIGNED = 64;

/** `where` names the file in errors. The numbers are a copy. */
export function readNpy(bytes: Uint8Array, where: string): Npy {
  if (bytes.length < 10 || MAGIC.some((b, i) => bytes[i] !== b)) {
    fail(
      "data",
      `expected a .npy file (its first bytes \\x93NUMPY) at ${where} but received ${knownIn(bytes) ?? startOf(bytes)}`,
    );
  }
  const [major, minor] = [bytes[6]!, bytes[7]!];
  if (!((major === 1 || major === 2) && minor === 0))
    fail("data", `expected version 1.0 or 2.0 of the .npy format in ${where} but received ${major}.${minor}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = major === 1 ? 10 : 12;
  const length = bytes.length < start ? 0 : major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const end = start + length;
  if (bytes.length < end)
    fail("data", `expected a header of ${length} bytes in ${where} but received a file of ${bytes.length} bytes`);
  const { type, shape } = headerOf(new TextDecoder().decode(bytes.subarray(start, end)), where);
  const size = shape.reduce((a, b) => a * b, 1);
  const wanted = size * ARRAYS[type].BYTES_PER_ELEMENT;
  // Compared before anything is held, so that an absurd shape costs nothing; beyond 2^53 the product is inexact and
  // larger than any file.
  if (bytes.length - end !== wanted) {
    fail(
      "data",
      `expected ${wanted} bytes of numbers in ${where}, whose header says ${type} [${shape.join(", ")}], but ` +
        `received ${bytes.length - end}`,
    );
  }
  // Not bytes.slice: a Buffer's slice shares its memory, at a place that need not be a multiple of the element's size.
  const numbers = new Uint8Array(wanted);
  numbers.set(bytes.subarray(end));
  return { shape, data: new ARRAYS[type](numbers.buffer) };
}

function startOf(bytes: Uint8Array): string {
  return bytes.length < 10
    ? `${bytes.length} bytes`
    : [...bytes.subarray(0, 6)].map((b) => b.toString(16).padStart(2, "0")).join(" ");
}

/** `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, the keys in any order. */
function headerOf(text: string, where: string): { type: NpyType; shape: number[] } {
  const found = (key: string, value: RegExp): string | undefined =>
    new RegExp(`['"]${key}['"]\\s*:\\s*${value.source}`).exec(text)?.[1];
  const descr = found("descr", /(['"][^'"]*['"]|\[.*\])/)?.replace(/^['"]|['"]$/g, "");
  const order = found("fortran_order", /(True|False)/);
  const axes = found("shape", /\(([^)]*)\)/);
  if (descr === undefined || order === undefined || axes === undefined)
    return fail(
      "data",
      `expected descr, fortran_order and shape in the header of ${where} but received ${show(text.trim())}`,
    );
  // One byte has no order of bytes: numpy writes "|", others "<".
  const type = /^[<=][iu]1$/.test(descr) ? `|${descr.slice(1)}` : descr;
  if (!(type in ARRAYS))
    return fail(
      "data",
      `expected numbers of a type among ${Object.keys(ARRAYS).join(", ")} in ${where} but received ${show(descr)}; ` +
        `in numpy: array.astype("<f4")`,
    );
  if (order === "True")
    return fail(
      "data",
      `expected C order in ${where} but received Fortran order; in numpy: numpy.ascontiguousarray(array)`,
    );
  const shape = axes.split(",").map((axis) => axis.trim());
  if (shape.at(-1) === "") shape.pop();
  if (!shape.every((axis) => /^\d+$/.test(axis)))
    return fail("data", `expected whole numbers for the shape of ${where} but received (${axes})`);
  return { type: type as NpyType, shape: shape.map(Number) };
}

/** The bytes of a version 1.0 file. */
export function writeNpy(shape: readonly number[], data: NpyArray): Uint8Array {
  const type = (Object.keys(ARRAYS) as NpyType[]).find((key) => data instanceof ARRAYS[key]);
  if (type === undefined)
    return fail("usage", `expected a typed array of numbers to write as .npy but received ${show(data)}`);
  const size = shape.reduce((a, b) => a * b, 1);
  if (size !== data.length)
    return fail(
      "usage",
      `expected ${size} numbers for the shape [${shape.join(", ")}] of a .npy file but received ${data.length}`,
    );
  // Python writes a tuple of one with a comma.
  const axes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${axes}), }`;
  const end = Math.ceil((10 + text.length + 1) / ALIGNED) * ALIGNED;
  const bytes = new Uint8Array(end + data.byteLength);
  bytes.set([...MAGIC, 1, 0]);
  new DataView(bytes.buffer).setUint16(8, end - 10, true);
  bytes.set(new TextEncoder().encode(`${text.padEnd(end - 11)}\n`), 10);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), end);
  return bytes;
}
