/** Pictures of many images: PNG grids, enlarged by a whole factor so that a person can see 28 x 28 pixels. */

import { type Picture, toChannels } from "../data/picture.ts";
import { fail } from "../errors.ts";
import type { LevelImages } from "./image-data.ts";
import { encodePng } from "./png.ts";

/** Width that a grid is enlarged to, about, when no scale is given. */
const AIM = 800;
const GUTTER = 2;

export interface Cells {
  /** Row by row; all of one size. */
  readonly cells: readonly Picture[];
  readonly columns: number;
  /** Enlargement: screen pixels per pixel; default by {@link AIM}. */
  readonly scale?: number | undefined;
}

/** Image `index` of `pixels` [N, H, W, C] with its levels spread over 0..255. */
export function pictureOf({ height, width, channels, levels, pixels }: LevelImages, index: number): Picture {
  if (channels !== 1 && channels !== 3 && channels !== 4)
    return fail("usage", `expected 1, 3 or 4 channels for a picture but the model has ${channels}`);
  const size = height * width * channels;
  const table = Uint8Array.from({ length: levels }, (_, v) => Math.round((v * 255) / (levels - 1)));
  return { height, width, channels, pixels: pixels.subarray(index * size, (index + 1) * size).map((v) => table[v]!) };
}

/** All images as pictures. */
export function picturesOf(images: LevelImages): Picture[] {
  const count = images.pixels.length / (images.height * images.width * images.channels);
  return Array.from({ length: count }, (_, i) => pictureOf(images, i));
}

/** What stands for the unknown in a picture: a colour that images seldom have. */
const TINT = [72, 104, 168, 255] as const;

/** The picture with its unknown pixels tinted: those where `mask` [H, W] is 0. */
export function withoutUnknown(original: Picture, mask: Uint8Array): Picture {
  const { pixels, ...shape } = toChannels(original, original.channels === 4 ? 4 : 3);
  const { channels } = shape;
  return { ...shape, pixels: pixels.map((v, i) => (mask[Math.floor(i / channels)] === 0 ? TINT[i % channels]! : v)) };
}

/** A PNG of all images, in a square or so unless `columns` says otherwise. */
export function gridOf(
  images: LevelImages & { readonly scale?: number | undefined; readonly columns?: number | undefined },
): Uint8Array {
  const cells = picturesOf(images);
  const columns = images.columns ?? Math.ceil(Math.sqrt((cells.length * images.height) / images.width));
  return gridPng({ cells, columns, scale: images.scale });
}

/** A PNG of cells with white gutters between and around them. */
export function gridPng({ cells, columns, scale }: Cells): Uint8Array {
  const [first] = cells;
  if (!first) return fail("internal", "expected at least one cell for a grid but received none");
  const channels = Math.max(...cells.map((cell) => cell.channels)) as 1 | 3 | 4;
  const rows = Math.ceil(cells.length / columns);
  const [cellHeight, cellWidth] = [first.height, first.width];
  const factor = scale ?? Math.max(1, Math.floor((AIM - GUTTER) / (columns * (cellWidth + GUTTER / 4))));
  const [stepY, stepX] = [cellHeight * factor + GUTTER, cellWidth * factor + GUTTER];
  const [height, width] = [rows * stepY + GUTTER, columns * stepX + GUTTER];
  const data = new Uint8Array(height * width * channels).fill(255);
  cells.forEach((cell, i) => {
    const { pixels } = toChannels(cell, channels);
    const top = GUTTER + Math.floor(i / columns) * stepY;
    const left = GUTTER + (i % columns) * stepX;
    for (let y = 0; y < cellHeight * factor; y++) {
      for (let x = 0; x < cellWidth * factor; x++) {
        const from = (Math.floor(y / factor) * cellWidth + Math.floor(x / factor)) * channels;
        data.set(pixels.subarray(from, from + channels), ((top + y) * width + left + x) * channels);
      }
    }
  });
  return encodePng({ height, width, channels, pixels: data });
}
