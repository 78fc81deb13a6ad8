/**
 * Binary PGM (P5) and PPM (P6), which sharp does not read. Header: magic, width, height, largest value, each after
 * white space or a `#` comment, then one white-space byte and the raster, two bytes a value (big-endian) where the
 * largest is above 255.
 */

import { fail } from "../errors.ts";
import type { OnLoss } from "./losses.ts";
import type { Picture } from "./picture.ts";

/** `where` names the file in errors. Values are scaled to 0..255, rounded. */
export function decodeNetpbm(bytes: Uint8Array, where: string, onLoss?: OnLoss): Picture {
  let at = 2;
  const space = (b: number | undefined): boolean => b === 0x20 || (b !== undefined && b >= 9 && b <= 13);
  const number = (name: string): number => {
    while (space(bytes[at]) || bytes[at] === 0x23) {
      if (bytes[at] === 0x23) while (at < bytes.length && bytes[at] !== 10) at++;
      else at++;
    }
    let value = -1;
    for (; bytes[at]! >= 0x30 && bytes[at]! <= 0x39; at++)
      value = Math.min(Math.max(value, 0) * 10 + bytes[at]! - 0x30, 2 ** 31);
    if (value < 1)
      fail(
        "data",
        `expected a positive ${name} in the header of ${where} but received ${value < 0 ? "no number" : value}`,
      );
    return value;
  };
  const channels = bytes[1] === 0x35 ? 1 : 3;
  const width = number("width");
  const height = number("height");
  const most = number("largest value");
  if (most > 65535) fail("data", `expected a largest value of at most 65535 in ${where} but received ${most}`);
  if (!space(bytes[at]))
    fail("data", `expected white space after the header of ${where} but received byte ${bytes[at]}`);
  if (most > 255) onLoss?.("depth", `values up to ${most}`);
  const raster = bytes.subarray(at + 1);
  const wide = most > 255 ? 2 : 1;
  const size = width * height * channels;
  if (raster.length < size * wide) {
    fail(
      "data",
      `expected ${size * wide} bytes of pixels in ${where} (${width} wide, ${height} high) but received ` +
        `${raster.length}`,
    );
  }
  const pixels = new Uint8Array(size);
  for (let i = 0; i < size; i++) {
    const value = wide === 2 ? raster[2 * i]! * 256 + raster[2 * i + 1]! : raster[i]!;
    if (value > most) fail("data", `expected values from 0 to ${most} in ${where} but received ${value}`);
    pixels[i] = most === 255 ? value : Math.round((value * 255) / most);
  }
  return { height, width, channels, pixels };
}
