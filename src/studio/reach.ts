/** What each family sees of an image from one pixel, by the dependency lowering: exact, and free of any weights. */

import type { PixelcnnConfig } from "../models/config.ts";
import { resolveModel } from "../models/families.ts";
import { networkOf } from "../models/networks.ts";
import { contains, dependencies, type SubPixels } from "../network/dependencies.ts";

/** Side of the image that the families are compared on: odd, so that it has a middle. */
const SIDE = 21;

export interface Reach {
  readonly title: string;
  /** Height and width of the image, and the pixel that looks. */
  readonly side: number;
  readonly row: number;
  readonly column: number;
  /** Whether each pixel is seen, [side, side]. */
  readonly seen: Uint8Array;
  /** Earlier pixels, and how many of them are seen. */
  readonly earlier: number;
  readonly reached: number;
}

/** Small enough to be quick, deep enough that each family's shape shows. */
const FAMILIES = [
  ["Gated PixelCNN", { family: "gated-pixelcnn", features: 4, depth: 5, firstKernel: 7, skip: 0 }],
  ["PixelCNN", { family: "pixelcnn", features: 4, depth: 5, firstKernel: 7 }],
  ["Row LSTM", { family: "row-lstm", features: 4, depth: 3, firstKernel: 7 }],
  ["Diagonal BiLSTM", { family: "diagonal-bilstm", features: 4, depth: 3, firstKernel: 7 }],
] as const;

const known = new Map<string, Promise<SubPixels[]>>();

/** From the pixel at a place of the image, both 0 .. 1. */
export async function reachOfFamilies(place: { row: number; column: number }): Promise<Reach[]> {
  const [row, column] = [Math.floor(place.row * SIDE), Math.floor(place.column * SIDE)];
  const earlier = row * SIDE + column;
  const found: Reach[] = [];
  for (const [title, input] of FAMILIES) {
    const size = { height: SIDE, width: SIDE };
    const all = known.get(title) ?? Promise.resolve().then(() => dependencies(networkFor(input), size));
    known.set(title, all);
    const set = (await all)[earlier]!;
    const seen = Uint8Array.from({ length: SIDE ** 2 }, (_, pixel) => (contains(set, pixel) ? 1 : 0));
    found.push({ title, side: SIDE, row, column, seen, earlier, reached: seen.reduce((sum, one) => sum + one, 0) });
  }
  return found;
}

function networkFor(input: (typeof FAMILIES)[number][1]) {
  const image = { height: SIDE, width: SIDE, channels: 1, levels: 2 };
  return networkOf(resolveModel({ ...image, ...input }) as PixelcnnConfig);
}
