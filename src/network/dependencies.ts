/**
 * The dependency lowering: which sub-pixels each sub-pixel's outputs can see, as an exact boolean matrix. No numbers
 * are involved: a map's features at a pixel have seen what the features have that its step reads.
 */

import { fail } from "../errors.ts";
import { type FeatureMap, groupsSeen, type Network, type Read, readsOf, type Step } from "./steps.ts";

/**
 * Sets of sub-pixels: bit s of a row of 32-bit words says whether sub-pixel s, in order of rows, columns, channels, is
 * in it.
 */
export type SubPixels = Uint32Array;

export const contains = (set: SubPixels, subPixel: number): boolean =>
  ((set[subPixel >> 5]! >>> (subPixel & 31)) & 1) === 1;

/** For each sub-pixel of an image of that size, in order, the sub-pixels that its outputs may depend on. */
export function dependencies(network: Network, { height, width }: { height: number; width: number }): SubPixels[] {
  const { channels: C, input, steps, outputs, logWeights } = network;
  const words = Math.ceil((height * width * C) / 32);
  const makers = new Map<string, Step>(steps.map((step) => [step.out.name, step]));
  const known = new Map<string, (SubPixels | "open" | undefined)[]>();

  const gather = (set: SubPixels, read: Read, i: number, j: number, c: number): void => {
    const { map, at } = read;
    for (const [down, right] of at) {
      const [y, x] = [i + down, j + right];
      if (y < 0 || y >= height || x < 0 || x >= width) continue;
      const [first, end] = groupsSeen(read, [down, right], c);
      for (let e = first; e < end; e++) {
        const seen = seenBy(map, y, x, e);
        for (let w = 0; w < words; w++) set[w]! |= seen[w]!;
      }
    }
  };

  /** What group c of a map has seen at a pixel. */
  function seenBy(map: FeatureMap, i: number, j: number, c: number): SubPixels {
    const sets = known.get(map.name) ?? [];
    known.set(map.name, sets);
    const place = (i * width + j) * map.groups + c;
    const found = sets[place];
    if (found === "open") return fail("internal", `expected steps without a circle but ${map.name} waits for itself`);
    if (found) return found;
    const set: SubPixels = new Uint32Array(words);
    if (map === input) {
      const subPixel = (i * width + j) * C + c;
      set[subPixel >> 5]! |= 1 << (subPixel & 31);
    } else {
      sets[place] = "open";
      const step =
        makers.get(map.name) ?? fail("internal", `expected a step that makes the map ${map.name} but found none`);
      for (const read of readsOf(step)) gather(set, read, i, j, c);
    }
    sets[place] = set;
    return set;
  }

  const found: SubPixels[] = [];
  for (let i = 0; i < height; i++)
    for (let j = 0; j < width; j++) {
      // Map by map, so that no chain of calls grows with the image.
      for (const { out } of steps) for (let c = 0; c < out.groups; c++) seenBy(out, i, j, c);
      for (let c = 0; c < C; c++) {
        const set = seenBy(outputs, i, j, c).slice();
        // Means that move with the pixel's earlier levels.
        if (logWeights === "logistic mixture" && c > 0) gather(set, { map: input, at: [[0, 0]], mask: "A" }, i, j, c);
        found.push(set);
      }
    }
  return found;
}
