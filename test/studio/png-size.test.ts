/** The PNG that the studio compares with: a real one, smaller than sharp's of the deepest search. */

import { crc32 } from "node:zlib";
import sharp from "sharp";
import { expect, test } from "vitest";
import type { Picture } from "../../src/data/picture.ts";
import { smallestPng, smallestRows } from "../../src/studio/png-size.ts";

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

const PICTURES: Readonly<Record<string, [Picture, channels: number, depth: number]>> = {
  "a grey one": [picture(1, wave), 1, 8],
  "a colour one": [picture(3, wave), 3, 8],
  "one with alpha": [picture(4, wave), 4, 8],
  "a grey one in colour": [picture(3, (x, y) => wave(x, y, 0)), 1, 8],
  "an opaque one with alpha": [picture(4, (x, y, c) => (c === 3 ? 255 : wave(x, y, c))), 3, 8],
  "black and white": [picture(1, (x, y) => 255 * ((x * y) % 2)), 1, 1],
  "four greys": [picture(1, (x, y) => 85 * ((x + y) % 4)), 1, 2],
  "sixteen greys": [picture(1, (x, y) => 17 * ((x * y) % 16)), 1, 4],
};

const chunk = (name: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(name), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
};

test.each(Object.entries(PICTURES))("the smallest PNG: %s", async (_, [image, channels, depth]) => {
  const rows = smallestRows(image);
  expect([rows.channels, rows.depth]).toEqual([channels, depth]);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(image.width, 0);
  header.writeUInt32BE(image.height, 4);
  header.set([depth, { 1: 0, 3: 2, 4: 6 }[channels]!, 0, 0, 0], 8);
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  const nothing = new Uint8Array();
  const file = Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", rows.data), chunk("IEND", nothing)]);
  expect(file.length).toBe(smallestPng(image));
  const read = await sharp(file).toColourspace("srgb").ensureAlpha().raw().toBuffer();
  const { height, width } = image;
  const given = await sharp(image.pixels, { raw: { height, width, channels: image.channels } })
    .toColourspace("srgb")
    .ensureAlpha()
    .raw()
    .toBuffer();
  expect([...read]).toEqual([...given]);
  const deep = await sharp(image.pixels, { raw: { height, width, channels: image.channels } })
    .png({ compressionLevel: 9, adaptiveFiltering: true })
    .toBuffer();
  expect(file.length).toBeLessThanOrEqual(deep.length);
});
