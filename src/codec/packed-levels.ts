/** Stored mode: levels as they are, ceil(log2 K) bits each, lowest bit first, image after image. No model is asked. */

import { fail } from "../errors.ts";

export function bitsPerLevel(levels: number): number {
  return 32 - Math.clz32(levels - 1);
}

export function packedLength(count: number, levels: number): number {
  return Math.ceil((count * bitsPerLevel(levels)) / 8);
}

export function packLevels(pixels: Uint8Array, levels: number): Uint8Array {
  const bits = bitsPerLevel(levels);
  const packed = new Uint8Array(packedLength(pixels.length, levels));
  for (let i = 0, at = 0; i < pixels.length; i++, at += bits) {
    const shifted = pixels[i]! << (at & 7);
    packed[at >>> 3]! |= shifted;
    if ((at & 7) + bits > 8) packed[(at >>> 3) + 1]! |= shifted >>> 8;
  }
  return packed;
}

/** The first `count` levels; refuses a level of K or more, and anything but zeros in the bits left over at the end. */
export function unpackLevels(
  packed: Uint8Array,
  count: number,
  levels: number,
  options: { prefix?: boolean } = {},
): Uint8Array {
  const bits = bitsPerLevel(levels);
  const pixels = new Uint8Array(count);
  let at = 0;
  for (let i = 0; i < count; i++, at += bits) {
    const pair = packed[at >>> 3]! | ((packed[(at >>> 3) + 1] ?? 0) << 8);
    const level = (pair >>> (at & 7)) & ((1 << bits) - 1);
    if (level >= levels)
      fail("corrupt", `byte ${at >>> 3} of the stored levels: expected a level below ${levels} but found ${level}`);
    pixels[i] = level;
  }
  if (!options.prefix && (at & 7) !== 0 && packed[at >>> 3]! >>> (at & 7) !== 0) {
    fail("corrupt", `byte ${at >>> 3} of the stored levels: expected zeros in the bits left over at the end`);
  }
  return pixels;
}
