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

/**
 * Indices of each group's images, `most` at most: kinds of images in order of first appearance, images of one kind in
 * the given order.
 */
export function planGroups(images: readonly Groupable[], most: (size: PixelSize) => number): number[][] {
  const byKey = new Map<string, number[]>();
  for (const [i, image] of images.entries()) {
    const key = groupKey(image);
    const indices = byKey.get(key);
    if (indices) indices.push(i);
    else byKey.set(key, [i]);
  }
  const groups: number[][] = [];
  for (const indices of byKey.values()) {
    const count = most(images[indices[0]!]!);
    for (let i = 0; i < indices.length; i += count) groups.push(indices.slice(i, i + count));
  }
  return groups;
}
