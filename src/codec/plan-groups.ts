/**
 * Which images share a group: those of one size whose conditions are of one kind, in the order in which they were
 * given.
 */

import { conditionKind } from "./group-conditions.ts";
import type { Condition, PixelSize } from "./predictor.ts";

export type Groupable = PixelSize & { readonly condition?: Condition | undefined };

/**
 * Images that may share a group have the same; where all have the same, an archive keeps the order in which they were
 * given.
 */
export function groupKey({ height, width, condition }: Groupable): string {
  return `${height}x${width} ${conditionKind(condition)}`;
}

/** Sub-pixels of a group, where its size is not asked for: as many as 1,024 images of 32 x 32 in grey have. */
const USUAL_LEVELS = 2 ** 20;
const USUAL_IMAGES = { least: 64, most: 1024 };
/** Groups that many images make at least: as many threads have work, and damage costs no more than one of them. */
const USUAL_GROUPS = 8;

/**
 * Images a group, of `count` images of one kind with `levels` sub-pixels each. A group has some 20 bytes of its own:
 * much where images are small, nothing where they are large, and there small groups keep memory and damage small. It
 * follows from the images alone, so that every machine writes the same bytes.
 */
export function usualGroupSize(levels: number, count: number): number {
  const { least, most } = USUAL_IMAGES;
  return Math.max(least, Math.min(most, Math.floor(USUAL_LEVELS / levels), Math.ceil(count / USUAL_GROUPS)));
}

/** At most `most` images a group, and in each group as many as in the others, or one less. */
export const evenGroupSize = (count: number, most: number): number => Math.ceil(count / Math.ceil(count / most));

/**
 * Indices of each group's images, `most` at most for `count` images of that size and kind: kinds of images in order of
 * first appearance, images of one kind in the given order.
 */
export function planGroups(images: readonly Groupable[], most: (size: PixelSize, count: number) => number): number[][] {
  const byKey = new Map<string, number[]>();
  for (const [i, image] of images.entries()) {
    const key = groupKey(image);
    const indices = byKey.get(key);
    if (indices) indices.push(i);
    else byKey.set(key, [i]);
  }
  const groups: number[][] = [];
  for (const indices of byKey.values()) {
    const size = most(images[indices[0]!]!, indices.length);
    for (let i = 0; i < indices.length; i += size) groups.push(indices.slice(i, i + size));
  }
  return groups;
}
