/**
 * The one loop behind sampling, completing, scoring, encoding and decoding: rows, columns, channels, with n images in
 * lock step. A symbol source says which level each sub-pixel has, given its integer frequencies. Where all levels are
 * known in advance, whole rows are computed at once, with the same bits. Both walks are generators that pause after
 * each row: whoever drives them may yield to others, report progress, or stop.
 */

import { fail } from "../errors.ts";
import type { Canvas } from "./canvas.ts";

/** A sub-pixel's place. */
export interface Step {
  readonly row: number;
  readonly column: number;
  readonly channel: number;
}

/**
 * Called once per sub-pixel, in order, to fill in `levels`, one per image. `cumulative` holds one table of K + 1
 * integers, from 0 to 2^24, for each image: level k owns the numbers from C[k] up to C[k + 1]. Both arrays are used
 * again for the next sub-pixel.
 */
export type SymbolSource = (step: Step, cumulative: Uint32Array, levels: Uint8Array) => void;

/** Asks `source` for every level, pixel by pixel; fills `pixels` [n, H, W, C]. Yields each finished row. */
export function* stepwise(
  canvas: Canvas,
  height: number,
  source: SymbolSource,
  pixels: Uint8Array,
): Generator<number, void> {
  const { count, width } = canvas;
  const { channels, levels: most } = canvas.plan;
  const perImage = height * width * channels;
  const levels = new Uint8Array(count);
  for (let row = 0; row < height; row++) {
    canvas.nextRow();
    for (let column = 0; column < width; column++) {
      for (let channel = 0; channel < channels; channel++) {
        canvas.predict(channel, column);
        source({ row, column, channel }, canvas.frequencies(channel, column), levels);
        let at = (row * width + column) * channels + channel;
        for (let image = 0; image < count; image++, at += perImage) {
          if (levels[image]! >= most)
            fail("internal", `expected levels below ${most} from a symbol source but received ${levels[image]}`);
          pixels[at] = levels[image]!;
        }
        canvas.setLevels(column, channel, levels);
      }
    }
    yield row;
  }
}

/**
 * Computes row after row of `pixels` [n, H, W, C], all known, as matrix products. Yields each row when the canvas can
 * be asked for its `intervals` or `frequencies`.
 */
export function* forced(canvas: Canvas, height: number, pixels: Uint8Array): Generator<number, void> {
  const { count, width } = canvas;
  const { channels } = canvas.plan;
  const perImage = height * width * channels;
  const levels = new Uint8Array(count);
  for (let row = 0, at = 0; row < height; row++) {
    canvas.nextRow();
    for (let column = 0; column < width; column++) {
      for (let channel = 0; channel < channels; channel++, at++) {
        for (let image = 0; image < count; image++) levels[image] = pixels[at + image * perImage]!;
        canvas.setLevels(column, channel, levels);
      }
    }
    canvas.predictRow();
    yield row;
  }
}
