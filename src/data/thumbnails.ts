/** Images averaged down to a few pixels: the map that conditions a model which fills in the detail. */

import { checkInteger, fail } from "../errors.ts";
import { type Dataset, datasetOf, partsOf } from "./dataset.ts";

export interface ThumbnailSize {
  readonly height: number;
  readonly width: number;
}

interface Shape extends ThumbnailSize {
  readonly channels: number;
  readonly levels: number;
}

/**
 * One image [H, W, C] of levels -> [h, w, C], -1 .. 1: the mean of each cell; cells share the pixels out as evenly as
 * they can.
 */
export function thumbnailOf(pixels: Uint8Array, image: Shape, { height, width }: ThumbnailSize): Float32Array {
  const { channels, levels } = image;
  const map = new Float32Array(height * width * channels);
  for (let i = 0; i < height; i++) {
    const [top, bottom] = [Math.floor((i * image.height) / height), Math.floor(((i + 1) * image.height) / height)];
    for (let j = 0; j < width; j++) {
      const [left, right] = [Math.floor((j * image.width) / width), Math.floor(((j + 1) * image.width) / width)];
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let y = top; y < bottom; y++)
          for (let x = left; x < right; x++) sum += pixels[(y * image.width + x) * channels + c]!;
        map[(i * width + j) * channels + c] = (2 * sum) / ((bottom - top) * (right - left) * (levels - 1)) - 1;
      }
    }
  }
  return map;
}

/** The same images, each with its thumbnail as its vector. */
export function withThumbnails(dataset: Dataset, size: ThumbnailSize): Dataset {
  for (const axis of ["height", "width"] as const) {
    checkInteger(`the thumbnail's ${axis}`, size[axis], 1);
    if (size[axis] > dataset[axis])
      fail(
        "usage",
        `expected a thumbnail of at most ${axis} ${dataset[axis]}, as the images of ${dataset.name}, but received ` +
          `${size[axis]}`,
      );
  }
  const each = dataset.height * dataset.width * dataset.channels;
  const vectorSize = size.height * size.width * dataset.channels;
  return datasetOf({ ...partsOf(dataset), vectorSize }, async (indices, pixels, labels, epoch, vectors) => {
    const batch = await dataset.batch(indices, { epoch });
    pixels.set(batch.pixels);
    labels.set(batch.labels);
    for (let i = 0; i < indices.length; i++)
      vectors.set(thumbnailOf(pixels.subarray(i * each, (i + 1) * each), dataset, size), i * vectorSize);
  });
}
