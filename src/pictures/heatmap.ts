/**
 * Bits as a picture: each image beside the bits of its pixels, on one scale for all. The ramp has one hue and falls
 * evenly in lightness (OKLCH), so that twice as dark is twice the bits on any screen, in print, and for any eye.
 */

import { type Picture, toChannels } from "../data/picture.ts";
import { fail } from "../errors.ts";
import { encodePng } from "./png.ts";

export interface HeatmapImage {
  readonly picture: Picture;
  /** Bits of each pixel, its channels summed, [H, W]. */
  readonly bits: Float64Array;
}

export interface Heatmap {
  readonly png: Uint8Array;
  /** Bits a pixel of the darkest colour; more look the same. */
  readonly darkest: number;
}

const GUTTER = 2;
const AIM = 800;
/** Most pixels of the picture, 4 bytes each at most. */
const LARGEST = 2 ** 26;

/** 256 colours from nearly white to dark blue. */
export const RAMP: readonly (readonly [number, number, number])[] = Array.from({ length: 256 }, (_, i) => {
  const t = i / 255;
  return srgbOf(0.98 - 0.73 * t, 0.13 * Math.sin(Math.PI * (0.05 + 0.75 * t)), (255 / 180) * Math.PI);
});

/** A PNG of pairs, image and bits, in a square or so; images smaller than the largest stand in white. */
export function heatmapOf(images: readonly HeatmapImage[], { scale }: { scale?: number | undefined } = {}): Heatmap {
  if (images.length === 0) return fail("internal", "expected at least one image for a heat map but received none");
  const height = Math.max(...images.map(({ picture }) => picture.height));
  const width = Math.max(...images.map(({ picture }) => picture.width));
  const pairs = Math.max(1, Math.round(Math.sqrt((images.length * height) / (2 * width))));
  const columns = Math.min(images.length, pairs);
  const rows = Math.ceil(images.length / columns);
  const factor = scale ?? Math.max(1, Math.floor((AIM - GUTTER) / (columns * (2 * width + GUTTER))));
  const [stepY, stepX] = [height * factor + GUTTER, width * factor + GUTTER];
  const [outHeight, outWidth] = [rows * stepY + GUTTER, 2 * columns * stepX + GUTTER];
  if (outHeight * outWidth > LARGEST) {
    fail(
      "usage",
      `expected a heat map of at most ${LARGEST} pixels but received one of ${outWidth} x ${outHeight}: fewer ` +
        "images (--limit) make a smaller one",
    );
  }
  const darkest = scaleOf(images);
  const data = new Uint8Array(outHeight * outWidth * 3).fill(255);
  const paint = (cell: number, picture: Picture): void => {
    const top = GUTTER + Math.floor(cell / (2 * columns)) * stepY;
    const left = GUTTER + (cell % (2 * columns)) * stepX;
    for (let y = 0; y < picture.height * factor; y++) {
      for (let x = 0; x < picture.width * factor; x++) {
        const from = (Math.floor(y / factor) * picture.width + Math.floor(x / factor)) * 3;
        data.set(picture.pixels.subarray(from, from + 3), ((top + y) * outWidth + left + x) * 3);
      }
    }
  };
  for (const [i, { picture, bits }] of images.entries()) {
    paint(2 * i, toChannels(picture, 3));
    const pixels = Uint8Array.from({ length: bits.length * 3 }, (_, k) => {
      return RAMP[Math.min(255, Math.round((255 * bits[Math.floor(k / 3)]!) / darkest))]![k % 3]!;
    });
    paint(2 * i + 1, { height: picture.height, width: picture.width, channels: 3, pixels });
  }
  return { png: encodePng({ height: outHeight, width: outWidth, channels: 3, pixels: data }), darkest };
}

/** A round number of bits that all but one pixel in 200 stay below: one stray pixel must not pale the rest. */
function scaleOf(images: readonly HeatmapImage[]): number {
  const all = new Float64Array(images.reduce((sum, { bits }) => sum + bits.length, 0));
  let at = 0;
  for (const { bits } of images) {
    all.set(bits, at);
    at += bits.length;
  }
  const high = Math.max(0.01, all.sort()[Math.floor(0.995 * (all.length - 1))]!);
  const unit = 10 ** (Math.floor(Math.log10(high)) - 1);
  return Number((Math.ceil(high / unit) * unit).toPrecision(2));
}

/** OKLCH as sRGB, 0..255. */
function srgbOf(lightness: number, chroma: number, hue: number): [number, number, number] {
  const [a, b] = [chroma * Math.cos(hue), chroma * Math.sin(hue)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const gamma = (v: number): number => {
    const x = Math.min(1, Math.max(0, v));
    return Math.round(255 * (x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055));
  };
  return [
    gamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    gamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    gamma(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}
