/**
 * The safetensors format, read and written: 8 bytes of header length (little-endian), a JSON header, then the data.
 * float32 only. No library for it is kept for JavaScript; the format is small. Offsets and sizes are checked before
 * anything is read.
 */

import { fail, PixelcnnError } from "../errors.ts";
import { knownIn } from "../found.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../tensor.ts";

export interface SafeTensors {
  readonly tensors: ReadonlyMap<string, Tensor<"float32">>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The bytes of a file. Tensors in the map's order; data starts at a multiple of 8. */
export function writeSafeTensors(
  tensors: ReadonlyMap<string, Tensor<"float32">>,
  metadata: Record<string, string> = {},
): Uint8Array<ArrayBuffer> {
  // Without a prototype, so that a tensor may have any name.
  const header: Record<string, unknown> = Object.create(null);
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  let at = 0;
  for (const [name, { shape, data }] of tensors) {
    header[name] = { dtype: "F32", shape, data_offsets: [at, at + data.length * 4] };
    at += data.length * 4;
  }
  let text = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20);
  padded.set(text);
  text = padded;
  const bytes = new Uint8Array(8 + text.length + at);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  let offset = 8 + text.length;
  for (const { data } of tensors.values()) {
    for (let i = 0; i < data.length; i++, offset += 4) view.setFloat32(offset, data[i]!, true);
  }
  return bytes;
}

/** Reads a file's bytes; `where` names it in errors. */
export function readSafeTensors(bytes: Uint8Array, where: string): SafeTensors {
  const broken = (why: string): never => fail("model", `expected a safetensors file at ${where} but ${why}`);
  const known = knownIn(bytes);
  if (known !== null && known !== "a safetensors file")
    fail("model", `expected a safetensors file at ${where} but received ${known}`);
  if (bytes.length < 8) broken(`it has only ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > bytes.length - 8)
    broken(`its header claims ${length} bytes of ${bytes.length - 8}; the file is truncated or of another kind`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch (cause) {
    throw new PixelcnnError("model", `expected a safetensors file at ${where} but its header is not JSON`, { cause });
  }
  if (!isObject(header)) return broken("its header is not an object");
  const { __metadata__: metadata = {}, ...entries } = header;
  if (!isWords(metadata)) return broken("its metadata is not an object of strings");
  const start = 8 + length;
  const spans: { name: string; shape: Shape; from: number; to: number }[] = [];
  for (const [name, entry] of Object.entries(entries)) {
    if (!isObject(entry)) return broken(`tensor ${name} is not described by an object`);
    const { dtype, shape, data_offsets: offsets } = entry;
    if (dtype !== "F32") broken(`tensor ${name} is ${inShort(dtype)}, not "F32"`);
    if (!isCounts(shape)) return broken(`the shape of tensor ${name} is ${inShort(shape)}`);
    if (!isCounts(offsets) || offsets.length !== 2)
      return broken(`the data_offsets of tensor ${name} are ${inShort(offsets)}`);
    const [from, to] = offsets as readonly [number, number];
    if (to - from !== sizeOf(shape) * 4) broken(`tensor ${name} of shape [${shape}] has offsets ${from}..${to}`);
    if (start + to > bytes.length)
      broken(`tensor ${name} ends at byte ${start + to} of ${bytes.length}; the file is truncated`);
    spans.push({ name, shape, from, to });
  }
  // The format allows no holes and no sharing: each tensor begins where the one before it ends.
  let end = 0;
  for (const { name, from, to } of spans.toSorted((a, b) => a.from - b.from || a.to - b.to)) {
    if (from !== end)
      broken(`tensor ${name} begins at byte ${from} of the data, not at ${end}, where the one before it ends`);
    end = to;
  }
  if (start + end < bytes.length) broken(`it has ${bytes.length - start - end} bytes after its last tensor`);
  const tensors = new Map<string, Tensor<"float32">>();
  for (const { name, shape, from } of spans) {
    const values = new Float32Array(sizeOf(shape));
    for (let i = 0; i < values.length; i++) values[i] = view.getFloat32(start + from + i * 4, true);
    tensors.set(name, tensor("float32", shape, values));
  }
  return { tensors, metadata };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isWords = (value: unknown): value is Record<string, string> =>
  isObject(value) && Object.values(value).every((word) => typeof word === "string");
const isCounts = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
/** A value out of JSON, short enough for an error. */
const inShort = (value: unknown): string => JSON.stringify(value)?.slice(0, 60) ?? "missing";
