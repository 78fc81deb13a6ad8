/**
 * The safetensors format, read and written: 8 bytes of header length (little-endian), a JSON header, then the data. float32 only.
 * No library for it is kept for JavaScript; the format is small. Offsets and sizes are checked before anything is read.
 */

import { fail, PixelcnnError } from "../errors.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../tensor.ts";

export interface SafeTensors {
  readonly tensors: ReadonlyMap<string, Tensor<"float32">>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The bytes of a file. Tensors in the map's order; data starts at a multiple of 8. */
export function writeSafeTensors(
  tensors: ReadonlyMap<string, Tensor<"float32">>,
  metadata: Record<string, string> = {},
): Uint8Array {
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
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
  if (bytes.length < 8) broken(`it has only ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > bytes.length - 8)
    broken(`its header claims ${length} bytes of ${bytes.length - 8}; the file is truncated or of another kind`);
  let header: Record<string, { dtype: string; shape: Shape; data_offsets: [number, number] }> & {
    __metadata__?: Record<string, string>;
  };
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch (cause) {
    throw new PixelcnnError("model", `expected a safetensors file at ${where} but its header is not JSON`, { cause });
  }
  const { __metadata__: metadata = {}, ...entries } = header;
  const data = 8 + length;
  const tensors = new Map<string, Tensor<"float32">>();
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(entries)) {
    if (dtype !== "F32") broken(`tensor ${name} is ${dtype}, not F32`);
    const [from, to] = offsets;
    const size = sizeOf(shape);
    if (!(from >= 0 && to - from === size * 4)) broken(`tensor ${name} of shape [${shape}] has offsets ${from}..${to}`);
    if (data + to > bytes.length) broken(`tensor ${name} ends at byte ${data + to} of ${bytes.length}; the file is truncated`);
    const values = new Float32Array(size);
    for (let i = 0; i < size; i++) values[i] = view.getFloat32(data + from + i * 4, true);
    tensors.set(name, tensor("float32", shape, values));
  }
  return { tensors, metadata };
}
