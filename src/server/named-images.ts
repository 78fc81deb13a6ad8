/** The named sets that lie on this machine, for the page to train on. Nothing is fetched for it. */

import type { Dataset } from "../data/dataset.ts";
import { findNamed, namedSets } from "../data/named.ts";
import { openSplits } from "../data/open.ts";

/** Images that are sent of a set: as many as a page trains on. */
export const MOST_SENT = 20_000;

export const setsHere = (): string[] => namedSets.filter((name) => findNamed(name) !== null);

export interface SentSet {
  /** An IDX file of bytes, [images, height, width] and channels where there are several. */
  readonly idx: Uint8Array<ArrayBuffer>;
  /** Training images of the set, of which the first are sent. */
  readonly total: number;
}

/** The first training images of a named set; null for a name of none, or of one that is not here. */
export async function imagesOfSet(name: string): Promise<SentSet | null> {
  if (!setsHere().includes(name)) return null;
  const { train, test } = await openSplits(name);
  try {
    return { idx: await idxOf(train, Math.min(train.length, MOST_SENT)), total: train.length };
  } finally {
    await train.close?.();
    await test.close?.();
  }
}

async function idxOf(data: Dataset, count: number): Promise<Uint8Array<ArrayBuffer>> {
  const { height, width, channels } = data;
  const axes = [count, height, width, ...(channels === 1 ? [] : [channels])];
  const each = height * width * channels;
  const bytes = new Uint8Array(4 + 4 * axes.length + count * each);
  bytes.set([0, 0, 8, axes.length]);
  const view = new DataView(bytes.buffer);
  for (const [i, length] of axes.entries()) view.setUint32(4 + 4 * i, length);
  for (let from = 0; from < count; from += 1000) {
    const indices = Array.from({ length: Math.min(1000, count - from) }, (_, i) => from + i);
    bytes.set((await data.batch(indices)).pixels, 4 + 4 * axes.length + from * each);
  }
  return bytes;
}
