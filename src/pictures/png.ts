/** PNG files without sharp, in Node and in pages. The only file that loads fast-png. */

import { decode, encode } from "fast-png";
import type { Picture } from "../data/picture.ts";
import { fail } from "../errors.ts";

export function decodePng(bytes: Uint8Array, where: string): Picture {
  const { height, width, channels, depth, data } = decode(bytes);
  if (depth !== 8 || (channels !== 1 && channels !== 3 && channels !== 4))
    return fail("data", `expected 1, 3 or 4 channels of 8 bits in ${where} but received ${channels} of ${depth}`);
  return { height, width, channels, pixels: data as Uint8Array };
}

export function encodePng({ height, width, channels, pixels }: Picture): Uint8Array {
  return encode({ height, width, channels, depth: 8, data: pixels });
}
