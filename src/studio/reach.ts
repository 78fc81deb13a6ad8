/** What each family sees of an image from one pixel, by the dependency lowering: exact, and free of any weights. */

import type { PixelcnnConfig } from "../models/config.ts";
import { resolveModel } from "../models/families.ts";
import { networkOf } from "../models/networks.ts";
import { contains, dependencies, type SubPixels } from "../network/dependencies.ts";

/** Side of the image that the families are compared on: odd, so that it has a middle. */
export const REACH_SIDE = 21;

export interface Reach {
  readonly title: string;
  /** Whether each pixel is seen, [H, W]. */
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

export async function reachOfFamilies({ row, column }: { row: number; column: number }): Promise<Reach[]> {
  const size = { height: REACH_SIDE, width: REACH_SIDE };
  const found: Reach[] = [];
  for (const [title, input] of FAMILIES) {
    const all = known.get(title) ?? Promise.resolve().then(() => dependencies(networkFor(input), size));
    known.set(title, all);
    const set = (await all)[row * REACH_SIDE + column]!;
    const seen = Uint8Array.from({ length: REACH_SIDE ** 2 }, (_, pixel) => (contains(set, pixel) ? 1 : 0));
    const earlier = row * REACH_SIDE + column;
    found.push({ title, seen, earlier, reached: seen.reduce((sum, one) => sum + one, 0) });
  }
  return found;
}

function networkFor(input: (typeof FAMILIES)[number][1]) {
  const image = { height: REACH_SIDE, width: REACH_SIDE, channels: 1, levels: 2 };
  return networkOf(resolveModel({ ...image, ...input }) as PixelcnnConfig);
}
