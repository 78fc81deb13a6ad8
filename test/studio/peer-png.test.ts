/** The PNG that the studio compares with: the same pixels, hidden colours too, in fewer bytes than sharp's deepest. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { initSync, optimise_raw as optimisePng } from "@jsquash/oxipng/codec/pkg/squoosh_oxipng.js";
import sharp from "sharp";
import { expect, test } from "vitest";
import { type Picture, toChannels } from "../../src/data/picture.ts";

const wasm = createRequire(import.meta.url).resolve("@jsquash/oxipng/codec/pkg/squoosh_oxipng_bg.wasm");
initSync(new WebAssembly.Module(readFileSync(wasm)));

const SIDE = 40;
const picture = (channels: 1 | 3 | 4, value: (x: number, y: number, c: number) => number): Picture => ({
  height: SIDE - 3,
  width: SIDE,
  channels,
  pixels: Uint8Array.from({ length: (SIDE - 3) * SIDE * channels }, (_, i) => {
    const p = Math.floor(i / channels);
    return value(p % SIDE, Math.floor(p / SIDE), i % channels);
  }),
});
const wave = (x: number, y: number, c: number): number => 120 + 80 * Math.sin((x + 3 * c) / 6) + 40 * Math.cos(y / 5);

const PICTURES: Readonly<Record<string, Picture>> = {
  "a grey one": picture(1, wave),
  "a colour one": picture(3, wave),
  "one with alpha": picture(4, wave),
  "one with colours that cannot be seen": picture(4, (x, y, c) => (c === 3 ? 255 * (x & 1) : wave(x, y, c))),
  "a grey one in colour": picture(3, (x, y) => wave(x, y, 0)),
  "an opaque one with alpha": picture(4, (x, y, c) => (c === 3 ? 255 : wave(x, y, c))),
  "black and white": picture(1, (x, y) => 255 * ((x * y) % 2)),
  "four greys": picture(1, (x, y) => 85 * ((x + y) % 4)),
  "sixteen greys": picture(1, (x, y) => 17 * ((x * y) % 16)),
};

test.each(Object.entries(PICTURES))("the smallest PNG: %s", async (_, image) => {
  const { height, width, pixels } = toChannels(image, 4);
  const file = optimisePng(Uint8ClampedArray.from(pixels), width, height, 6, false, false);
  const read = await sharp(file).toColourspace("srgb").ensureAlpha().raw().toBuffer();
  expect([...read]).toEqual([...pixels]);
  const deep = await sharp(image.pixels, { raw: { height, width, channels: image.channels } })
    .png({ compressionLevel: 9, adaptiveFiltering: true })
    .toBuffer();
  expect(file.length).toBeLessThanOrEqual(deep.length);
});
