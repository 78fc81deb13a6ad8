/** Between a page's ImageData (red, green, blue and alpha, 0 .. 255) and a model's levels. */

import { fail } from "../errors.ts";

/** What of ImageData is used: a canvas gives it, and so does any object like it. */
export interface ImageDataLike {
  readonly width: number;
  readonly height: number;
  /** [H, W, 4], 0 .. 255. */
  readonly data: Uint8ClampedArray | Uint8Array;
}

/** Images of levels, [count, H, W, C]. */
export interface LevelImages {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly levels: number;
  readonly pixels: Uint8Array;
}

/**
 * A picture as one image of a model's channels and levels. Grey is luma (Rec. 601), alpha without a channel is laid
 * over white; level v of K holds the values from 256 v / K up.
 */
export function fromImageData(
  image: ImageDataLike,
  { channels, levels }: { readonly channels: number; readonly levels: number },
): LevelImages {
  checkChannels(channels);
  const { height, width, data } = image;
  const pixels = new Uint8Array(height * width * channels);
  const level = (value: number): number => Math.floor((value * levels) / 256);
  for (let p = 0; p < height * width; p++) {
    const [r, g, b, a] = data.subarray(4 * p, 4 * p + 4) as unknown as [number, number, number, number];
    if (channels === 4) pixels.set([r, g, b, a].map(level), 4 * p);
    else {
      const opaque = [r, g, b].map((v) => Math.round((v * a + 255 * (255 - a)) / 255)) as [number, number, number];
      if (channels === 3) pixels.set(opaque.map(level), 3 * p);
      else pixels[p] = level(Math.round((299 * opaque[0] + 587 * opaque[1] + 114 * opaque[2]) / 1000));
    }
  }
  return { height, width, channels, levels, pixels };
}

/**
 * Image `index` as the data of a page's ImageData: `new ImageData(toImageData(images, 0).data, width, height)`. Levels
 * are spread over 0 .. 255.
 */
export function toImageData(
  { height, width, channels, levels, pixels }: LevelImages,
  index = 0,
): { readonly width: number; readonly height: number; readonly data: Uint8ClampedArray<ArrayBuffer> } {
  checkChannels(channels);
  const size = height * width * channels;
  if ((index + 1) * size > pixels.length)
    fail("usage", `expected an image below ${pixels.length / size} but received ${index}`);
  const value = (at: number): number => Math.round((pixels[index * size + at]! * 255) / (levels - 1));
  const data = new Uint8ClampedArray(height * width * 4);
  for (let p = 0; p < height * width; p++) {
    for (let c = 0; c < 3; c++) data[4 * p + c] = value(p * channels + (channels === 1 ? 0 : c));
    data[4 * p + 3] = channels === 4 ? value(p * 4 + 3) : 255;
  }
  return { width, height, data };
}

function checkChannels(channels: number): void {
  if (channels !== 1 && channels !== 3 && channels !== 4)
    fail("usage", `expected 1, 3 or 4 channels for a picture but received ${channels}`);
}
