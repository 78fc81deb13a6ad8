/**
 * Symbol sources of the raster loop: who says which level a sub-pixel has. A decoder's source is the codec's; a scorer
 * and an encoder watch a forced walk instead, and {@link costOf} is what each symbol costs.
 */

import { type Random, randomFrom } from "../random.ts";
import type { SymbolSource } from "./loop.ts";

/** All tables of frequencies end with this. */
const TOTAL_BITS = 24;

/**
 * Draws from the frequencies. Image i of seed s uses the stream randomFrom(s, i), one draw per sub-pixel, so neither
 * the batch nor the order of images matters; `first` is the number of the first image.
 */
export function sampleSource(seed: number, first: number, count: number): SymbolSource {
  const streams = Array.from({ length: count }, (_, i) => randomFrom(seed, first + i));
  return (_step, cumulative, levels) => {
    const size = cumulative.length / count;
    for (let image = 0; image < count; image++)
      levels[image] = draw(streams[image]!, cumulative, image * size, size - 1);
  };
}

/** One level: the one that owns a uniform number below 2^24. */
function draw(random: Random, cumulative: Uint32Array, at: number, levels: number): number {
  const target = random.bits() >>> (32 - TOTAL_BITS);
  let low = 0;
  let high = levels - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (target < cumulative[at + middle + 1]!) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * Keeps the given pixels, [n, H, W, C], where `mask` [H, W] is not 0, and draws the others. A number is drawn for given
 * pixels too: completing an image from a part of itself, with the seed it was sampled with, gives it back.
 */
export function completeSource(
  drawn: SymbolSource,
  { pixels, mask }: { readonly pixels: Uint8Array; readonly mask: Uint8Array },
  { count, width, channels }: { readonly count: number; readonly width: number; readonly channels: number },
): SymbolSource {
  const perImage = pixels.length / count;
  return (step, cumulative, levels) => {
    drawn(step, cumulative, levels);
    const pixel = step.row * width + step.column;
    if (mask[pixel] === 0) return;
    for (let image = 0; image < count; image++)
      levels[image] = pixels[image * perImage + pixel * channels + step.channel]!;
  };
}

/** Bits of a level that owns `frequency` of the 2^24 numbers. For reports: only integers decide anything. */
export function costOf(frequency: number): number {
  return TOTAL_BITS - Math.log2(frequency);
}
