/**
 * The train split seen a little differently each epoch: mirrored or moved by a few pixels. It lets a small set teach
 * more than its own images.
 */

import { checkInteger } from "../errors.ts";
import { randomFrom } from "../random.ts";
import { type Dataset, datasetOf, partsOf } from "./dataset.ts";

export interface Augmentation {
  /** Half of the images, drawn anew each epoch, left for right. */
  readonly mirror: boolean;
  /** Moved by up to so many pixels up, down, left and right; the edge is repeated into what opens. */
  readonly shift: number;
  readonly seed: number;
}

/** Keeps these draws apart from the other ones that a seed names. */
const STREAM = 7;

/** Only the train split changes; its epoch names the draw. */
export function augment(dataset: Dataset, { mirror, shift, seed }: Augmentation): Dataset {
  checkInteger("shift", shift, 0, Math.min(dataset.height, dataset.width) - 1);
  if (dataset.split !== "train" || (!mirror && shift === 0)) return dataset;
  const { height, width, channels } = dataset;
  const size = height * width * channels;
  const inside = (at: number, end: number): number => Math.min(end - 1, Math.max(0, at));
  return datasetOf(partsOf(dataset), async (indices, pixels, labels, epoch, vectors) => {
    const batch = await dataset.batch(indices, { epoch });
    labels.set(batch.labels);
    if (batch.vectors) vectors.set(batch.vectors);
    indices.forEach((index, i) => {
      const random = randomFrom(seed, epoch, index, STREAM);
      const flipped = random.below(2) === 1 && mirror;
      const [down, across] = [random.below(2 * shift + 1) - shift, random.below(2 * shift + 1) - shift];
      const from = batch.pixels.subarray(i * size, (i + 1) * size);
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const column = inside(x - across, width);
          const at = (inside(y - down, height) * width + (flipped ? width - 1 - column : column)) * channels;
          pixels.set(from.subarray(at, at + channels), i * size + (y * width + x) * channels);
        }
      }
    });
  });
}
