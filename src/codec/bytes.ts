/**
 * Little-endian reading and writing. Integers of no fixed size are LEB128 varints in their shortest form, up to
 * 2^53 - 1. A reader never looks past its end, and every error says which field, what was expected and found, and at
 * which byte.
 */

import { fail, show } from "../errors.ts";

export class ByteWriter {
  #bytes = new Uint8Array(256);
  /** Invariant: `#bytes[0 .. #length)` is what has been written. */
  #length = 0;

  get length(): number {
    return this.#length;
  }

  byte(value: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  varint(value: number): this {
    let rest = value;
    while (rest >= 128) {
      this.byte((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    return this.byte(rest);
  }

  u32(value: number): this {
    for (let i = 0; i < 4; i++) this.byte((value >>> (8 * i)) & 255);
    return this;
  }

  float32(value: number): this {
    this.#reserve(4);
    new DataView(this.#bytes.buffer).setFloat32(this.#length, value, true);
    this.#length += 4;
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + count));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

export class ByteReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  /** Invariant: offset <= end <= bytes.length. */
  offset: number;
  /** Whether a field has asked for more bytes than there are. */
  ranOut = false;

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = end;
  }

  get left(): number {
    return this.end - this.offset;
  }

  byte(name: string): number {
    this.need(1, name);
    return this.bytes[this.offset++]!;
  }

  /** An integer from `min` to `max`; refuses a longer form of a number than its shortest. */
  varint(name: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
    const at = this.offset;
    let value = 0;
    for (let scale = 1, digits = 1; ; scale *= 128, digits++) {
      const byte = this.byte(name);
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (byte === 0 && digits > 1)
          this.fail(at, name, "the shortest form of a number", `${digits} bytes ending in zero`);
        break;
      }
      if (digits === 8) this.fail(at, name, "a number of at most 8 bytes", "a longer one");
    }
    if (value < min || value > max) this.fail(at, name, `a number from ${min} to ${max}`, String(value));
    return value;
  }

  u32(name: string): number {
    const [a, b, c, d] = this.raw(4, name);
    return (a! | (b! << 8) | (c! << 16) | (d! << 24)) >>> 0;
  }

  float32(name: string): number {
    this.need(4, name);
    const value = new DataView(this.bytes.buffer, this.bytes.byteOffset + this.offset, 4).getFloat32(0, true);
    if (!Number.isFinite(value)) this.fail(this.offset, name, "a finite number", String(value));
    this.offset += 4;
    return value;
  }

  /** The next `length` bytes, not copied. */
  raw(length: number, name: string): Uint8Array {
    this.need(length, name);
    this.offset += length;
    return this.bytes.subarray(this.offset - length, this.offset);
  }

  /** UTF-8 text of `length` bytes. */
  text(length: number, name: string): string {
    const at = this.offset;
    return decodeText(this.raw(length, name)) ?? this.fail(at, name, "UTF-8 text", `${length} bytes that are not`);
  }

  fail(offset: number, name: string, expected: string, found: string): never {
    return fail("corrupt", `byte ${offset}: expected ${expected} for ${name} but found ${found}`);
  }

  /** Throws unless `count` more bytes are there. */
  need(count: number, name: string): void {
    if (count <= this.left) return;
    this.ranOut = true;
    this.fail(this.offset, name, `${count} bytes`, `${this.left} before the end (truncated)`);
  }
}

/** Text from UTF-8, undefined if the bytes are not; no other bytes give the same text. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** UTF-8 of `text`; a usage error if it holds half a surrogate pair or takes more than `most` bytes. */
export function encodeText(text: string, name: string, most: number): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > most)
    fail("usage", `expected at most ${most} bytes for ${name} but received ${bytes.length}: ${show(text)}`);
  if (decodeText(bytes) !== text)
    fail("usage", `expected whole characters for ${name} but received half a surrogate pair in ${show(text)}`);
  return bytes;
}
