/**
 * A vector for each image: what an image is about, as numbers that a model may be conditioned on. Where an image has
 * several (one a caption), the train split draws one of them each epoch; any other split takes the first, so that its
 * likelihood is one number.
 */

import { checkInteger, fail } from "../errors.ts";
import { randomFrom } from "../random.ts";
import { type Dataset, datasetOf, partsOf } from "./dataset.ts";

export interface Variants {
  /**
   * [length + 1], from 0, never falling: rows offsets[i] up to, without, offsets[i + 1] belong to image i. No row: all
   * zeros.
   */
  readonly offsets: ArrayLike<number>;
  /** Names the draws. */
  readonly seed?: number;
}

/** Keeps these draws apart from those of a binarisation with the same seed. */
const STREAM = 1;

/**
 * The same images, each with its row of `vectors` [rows, size]: row i is image i's, or `variants` says which rows are.
 * A draw depends on (seed, epoch, index) alone, the index in `dataset`. Vectors that the data set has already give way.
 */
export function withVectors(
  dataset: Dataset,
  vectors: Float32Array,
  size: number,
  { variants }: { variants?: Variants | undefined } = {},
): Dataset {
  const { name, length, split } = dataset;
  checkInteger(`the size of a vector of ${name}`, size, 1);
  const rows = vectors.length / size;
  const offsets = variants?.offsets;
  const seed = checkInteger("the seed of the variants", variants?.seed ?? 1, 0);
  if (offsets) checkOffsets(name, offsets, length, rows);
  else if (rows !== length)
    fail(
      "data",
      `expected ${length} x ${size} = ${length * size} numbers, a vector for each image of ${name} (${split}), but ` +
        `received ${vectors.length}`,
    );
  const rowOf = (index: number, epoch: number): number | null => {
    if (!offsets) return index;
    const first = offsets[index]!;
    const count = offsets[index + 1]! - first;
    if (count === 0) return null;
    return count === 1 || split !== "train" ? first : first + randomFrom(seed, epoch, index, STREAM).below(count);
  };
  return datasetOf({ ...partsOf(dataset), vectorSize: size }, async (indices, pixels, labels, epoch, target) => {
    const batch = await dataset.batch(indices, { epoch });
    pixels.set(batch.pixels);
    labels.set(batch.labels);
    indices.forEach((index, i) => {
      const row = rowOf(index, epoch);
      if (row !== null) target.set(vectors.subarray(row * size, (row + 1) * size), i * size);
    });
  });
}

function checkOffsets(name: string, offsets: ArrayLike<number>, length: number, rows: number): void {
  if (offsets.length !== length + 1 || offsets[0] !== 0 || offsets[length] !== rows) {
    fail(
      "data",
      `expected ${length + 1} offsets from 0 to ${rows}, the number of vectors, for ${name} but received ` +
        `${offsets.length} from ${offsets[0]} to ${offsets[offsets.length - 1]}`,
    );
  }
  for (let i = 0; i < length; i++) {
    if (!(Number.isInteger(offsets[i + 1]) && offsets[i + 1]! >= offsets[i]!))
      fail(
        "data",
        `expected whole offsets that never fall for ${name} but received ${offsets[i]} and then ${offsets[i + 1]} ` +
          `at image ${i}`,
      );
  }
}
