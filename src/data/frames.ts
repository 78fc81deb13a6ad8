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

/** Whether a WebP is an animation: a bit of the extended header, which comes first. */
export const isAnimatedWebp = (bytes: Uint8Array): boolean =>
  String.fromCharCode(...bytes.subarray(12, 16)) === "VP8X" && (bytes[20]! & 2) !== 0;

/** The number of components that a JPEG's frame header names: 1 grey, 3 colours, 4 CMYK; 0 without such a header. */
export function jpegComponents(bytes: Uint8Array): number {
  for (let at = 2; at + 9 < bytes.length; ) {
    if (bytes[at] !== 0xff) return 0;
    const marker = bytes[at + 1]!;
    // SOF0 to SOF15, without the tables DHT, JPG and DAC, which lie among them.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return bytes[at + 9]!;
    // Fill bytes before a marker, and markers without a length.
    if (marker === 0xff) at += 1;
    else if (marker >= 0xd0 && marker <= 0xd8) at += 2;
    else at += 2 + 256 * bytes[at + 2]! + bytes[at + 3]!;
  }
  return 0;
}

/** Whether a GIF has a frame after its first; the first must be whole ({@link checkGif}). */
export function isAnimatedGif(bytes: Uint8Array): boolean {
  let at = endOfFirstFrame(bytes, "an image");
  // What follows may be missing: a first frame that is whole is whole.
  for (; bytes[at] === 0x21; at++) for (at += 2; bytes[at]; at += bytes[at]! + 1);
  return bytes[at] === 0x2c;
}

/** Throws where a GIF's first frame holds fewer pixels than its size says: decoders fill the rest silently. */
export function checkGif(bytes: Uint8Array, where: string): void {
  endOfFirstFrame(bytes, where);
}

/** The byte behind a GIF's first frame, whose data are checked; its end where there is no frame. */
function endOfFirstFrame(bytes: Uint8Array, where: string): number {
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
  if (byte(at) !== 0x2c) return bytes.length;
  const pixels = short(at + 5) * short(at + 7);
  at += 10 + table(byte(at + 9));
  const codes = byte(at);
  const data = new Uint8Array(bytes.length - at);
  let length = 0;
  for (at += 1; byte(at) > 0; at += byte(at) + 1) {
    if (at + 1 + byte(at) > bytes.length) end();
    data.set(bytes.subarray(at + 1, at + 1 + byte(at)), length);
    length += byte(at);
  }
  const found = pixelsOfLzw(data.subarray(0, length), codes, pixels);
  if (found < pixels)
    fail("data", `expected ${pixels} pixels in the first frame of ${where} but its data end after ${found}`);
  return at + 1;
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
