/** What image libraries let pass of GIF and PNG: pictures that end early, and animations that show one frame. */

import { fail } from "../errors.ts";

/** Whether a PNG is an animation: a chunk acTL before its pixels. */
export function isAnimatedPng(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 8 <= bytes.length; at += 12 + view.getUint32(at)) {
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (type === "acTL") return true;
    if (type === "IDAT") return false;
  }
  return false;
}

/** Throws where the first frame of a GIF holds fewer pixels than its size says: decoders fill the rest silently. */
export function checkGif(bytes: Uint8Array, where: string): void {
  const end = (): never => fail("data", `expected a whole GIF for ${where} but it ends early`);
  const byte = (at: number): number => bytes[at] ?? end();
  const short = (at: number): number => byte(at) + 256 * byte(at + 1);
  const table = (flags: number): number => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  const skipBlocks = (at: number): number => {
    while (byte(at) > 0) at += byte(at) + 1;
    return at + 1;
  };
  let at = 13 + table(byte(10));
  while (byte(at) === 0x21) at = skipBlocks(at + 2);
  if (byte(at) !== 0x2c) return;
  const pixels = short(at + 5) * short(at + 7);
  at += 10 + table(byte(at + 9));
  const codes = byte(at);
  const parts: Uint8Array[] = [];
  for (at += 1; byte(at) > 0; at += byte(at) + 1) {
    if (at + 1 + byte(at) > bytes.length) end();
    parts.push(bytes.subarray(at + 1, at + 1 + byte(at)));
  }
  const found = pixelsOfLzw(Buffer.concat(parts), codes, pixels);
  if (found < pixels)
    fail("data", `expected ${pixels} pixels in the first frame of ${where} but its data end after ${found}`);
}

/** How many pixels GIF's LZW codes stand for, at most `most`. Only lengths matter: no pixel is made. */
function pixelsOfLzw(data: Uint8Array, codeSize: number, most: number): number {
  const clear = 2 ** codeSize;
  const lengths = new Uint32Array(4096);
  lengths.fill(1, 0, clear);
  let [width, next, previous, found, at, held, bits] = [codeSize + 1, clear + 2, -1, 0, 0, 0, 0];
  while (found < most) {
    while (bits < width) {
      if (at >= data.length) return found;
      held += data[at++]! * 2 ** bits;
      bits += 8;
    }
    const code = held % 2 ** width;
    held = Math.floor(held / 2 ** width);
    bits -= width;
    if (code === clear) {
      [width, next, previous] = [codeSize + 1, clear + 2, -1];
      continue;
    }
    if (code === clear + 1 || code > next) return found;
    const length = code < next && (code < clear || code >= clear + 2) ? lengths[code]! : lengths[previous]! + 1;
    found += length;
    if (previous >= 0 && next < 4096) {
      lengths[next++] = lengths[previous]! + 1;
      if (next === 2 ** width && width < 12) width++;
    }
    previous = code;
  }
  return found;
}
