/**
 * Bytes of the smallest PNG file that we can make of a picture, to compare with: the fewest channels and bits that hold
 * it, the best of six ways to filter its rows, and the deepest search of the compressor. Palettes are not tried.
 * (pictures/png.ts writes files to be read soon, and does none of this.)
 */

import { zlibSync } from "fflate";
import { channelsUsed, type Picture, toChannels } from "../data/picture.ts";

/** A PNG's signature, and its chunks IHDR, IDAT and IEND but for what IDAT holds. */
const AROUND = 8 + (12 + 13) + 12 + 12;

export interface PngRows {
  readonly channels: 1 | 3 | 4;
  /** Bits of a channel: below 8 for grey alone. */
  readonly depth: 1 | 2 | 4 | 8;
  /** What the chunk IDAT holds. */
  readonly data: Uint8Array;
}

export const smallestPng = (picture: Picture): number => AROUND + smallestRows(picture).data.length;

export function smallestRows(picture: Picture): PngRows {
  const channels = channelsUsed(picture);
  const { height, width, pixels } = toChannels(picture, channels);
  const depth = channels === 1 ? greyDepth(pixels) : 8;
  const rows = packed(pixels, height, width * channels, depth);
  const filtered = filteredRows(rows, depth < 8 ? 1 : channels);
  const ways = [0, 1, 2, 3, 4].map((one) => joined(filtered, () => one));
  ways.push(joined(filtered, leastSum));
  const files = ways.map((bytes) => zlibSync(bytes, { level: 9 }));
  return { channels, depth, data: files.reduce((best, one) => (one.length < best.length ? one : best)) };
}

/** The fewest bits in which each of these greys is an even step. */
const greyDepth = (pixels: Uint8Array): PngRows["depth"] =>
  ([1, 2, 4] as const).find((bits) => pixels.every((v) => v % (255 / (2 ** bits - 1)) === 0)) ?? 8;

function packed(pixels: Uint8Array, height: number, across: number, depth: number): Uint8Array[] {
  const step = 255 / (2 ** depth - 1);
  return Array.from({ length: height }, (_, y) => {
    const row = pixels.subarray(y * across, (y + 1) * across);
    if (depth === 8) return row;
    const bytes = new Uint8Array(Math.ceil((across * depth) / 8));
    for (const [x, v] of row.entries()) {
      const bit = x * depth;
      bytes[bit >> 3]! |= (v / step) << (8 - depth - (bit & 7));
    }
    return bytes;
  });
}

/** Each row after each of PNG's five filters; `before`: bytes to the same channel on the left. */
function filteredRows(rows: readonly Uint8Array[], before: number): Uint8Array[][] {
  return rows.map((row, y) => {
    const above = rows[y - 1] ?? new Uint8Array(row.length);
    return [0, 1, 2, 3, 4].map((filter) =>
      row.map((v, i) => v - guess(filter, row[i - before] ?? 0, above[i]!, above[i - before] ?? 0)),
    );
  });
}

function guess(filter: number, left: number, up: number, corner: number): number {
  if (filter < 3) return filter === 0 ? 0 : filter === 1 ? left : up;
  if (filter === 3) return (left + up) >> 1;
  const toLeft = Math.abs(up - corner);
  const toUp = Math.abs(left - corner);
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

type Choose = (candidates: readonly Uint8Array[]) => number;

/** The rows one after another, each behind the number of its filter. */
function joined(rows: readonly (readonly Uint8Array[])[], choose: Choose): Uint8Array {
  const each = 1 + (rows[0]?.[0]?.length ?? 0);
  const out = new Uint8Array(rows.length * each);
  for (const [y, candidates] of rows.entries()) {
    const chosen = choose(candidates);
    out[y * each] = chosen;
    out.set(candidates[chosen]!, y * each + 1);
  }
  return out;
}

/** The filter after which a row's bytes, read as signed, are nearest to zero. */
const leastSum: Choose = (candidates) => {
  const sums = candidates.map((row) => row.reduce((sum, v) => sum + Math.min(v, 256 - v), 0));
  return sums.indexOf(Math.min(...sums));
};
