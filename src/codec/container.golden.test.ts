/**
 * Bytes are API: these may not change without a new format version. docs/file-format.md walks through the first file.
 * The model is `contextPredictor({ levels: 2 })`, counts of neighbours, whose digest is a golden number too.
 */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decodeArchive, encodeImages, encodeSingle } from "./codec.ts";
import { contextPredictor } from "./context-predictor.test-support.ts";
import { hex } from "./digest.ts";
import { encodeStream } from "./group-coder.ts";
import { RangeEncoder } from "./range-coder.ts";

const predictor = await contextPredictor({ levels: 2 });
const bits = (text: string) => Uint8Array.from(text, Number);
const images = [
  { height: 4, width: 5, name: "a/1.png", label: 3, pixels: bits("00000000000000000000") },
  { height: 1, width: 1, name: "a/2.png", label: 0, pixels: bits("1") },
  { height: 4, width: 5, name: "b.png", pixels: bits("00011000110011100111") },
];
const ARCHIVE = `
  89707863 01 00 317f38d1cf46d529df830f1c201b21b67c5b381b8eb4092eceb60e89364e3413 01 02 07 7b2278223a317d e79ca8d8
  b7 757a4c02 00 02 04 05 00 03 a3475654 0e116f
  b7 6c66afd3 02 01 01 01 01 1bdf05a5 01
  d1 2a000000 02 12 02 0f 01 07 00 07 612f312e706e67 00 05 622e706e67 00 07 612f322e706e67 04 00 01 00 02 01 2a000000 5dc9eb40`;
const SINGLE = "89707863 01 01 317f38d1cf46d529 ea633a9b 04 05 8d9bd50f";
const CONDITIONS = `
  89707863 01 00 c3d2b079d47e5cf322b7998c533d0d591d5893ff59ec9d507564c0f384fdf115 01 02 00 7e2d1d8e
  b7 82f40555 00 05 04 05 0e 12 00 00 01 0d 00 cac68899 0000000000
  b7 667afc79 05 01 04 05 00 00 8d9bd50f
  b7 e03c7496 06 05 04 05 0c 02 0000803e 000080bf 00 cac68899
  b7 e79ddf37 0b 01 04 05 08 02 0000803e 00000000 00 8d9bd50f
  d1 1b000000 04 19 05 0f 01 18 05 18 01 04 00 03 05 06 07 01 02 04 08 09 0a 0b 1b000000 71bd5c8b`;
const SINGLE_OF_CLASS = "89707863 01 05 c3d2b079d47e5cf3 e94284e0 04 05 01 8d9bd50f";
const SINGLE_OF_NUMBERS = "89707863 01 09 c3d2b079d47e5cf3 efc596ed 04 05 02 0000803e 000080bf 8d9bd50f";
const STREAM = "704 00020104040102000201040401020002 adf613478e519bcb6bce050833fe37a6";
const NUMBER = "ffffff000001fffff800003ffffc00007fffe0000ffff0001fff8003ffc007fe00ff01f83c60";

function golden(text: string): string {
  return text.replace(/\s+/g, "");
}

test("an archive of three images of two sizes", async () => {
  const bytes = await encodeImages(predictor, images, { notes: '{"x":1}' });
  expect(hex(bytes)).toBe(golden(ARCHIVE));
  const decoded = await decodeArchive(predictor, Uint8Array.from(Buffer.from(golden(ARCHIVE), "hex")));
  expect(decoded.map(({ pixels, name, label }) => [pixels.join(""), name, label])).toEqual(
    images.map(({ pixels, name, label }) => [pixels.join(""), name, label]),
  );
});

test("a file of one image", async () => {
  expect(hex(await encodeSingle(predictor, images[0]!))).toBe(golden(SINGLE));
  expect([...(await decodeArchive(predictor, Uint8Array.from(Buffer.from(golden(SINGLE), "hex"))))[0]!.pixels]).toEqual(
    [...images[0]!.pixels],
  );
});

test("archives: classes, no condition, one vector for all, a vector each", async () => {
  const conditional = await contextPredictor({ levels: 2, conditionSize: 2 });
  const [all, other] = [Float32Array.of(0.25, -1), Float32Array.of(0.25, 0)];
  const conditions = [1, undefined, all, 0, all, 1, 1, 0, all, all, all, other];
  const zeros = conditions.map((condition) => ({ height: 4, width: 5, pixels: new Uint8Array(20), condition }));
  expect(hex(await encodeImages(conditional, zeros, { groupSize: 5 }))).toBe(golden(CONDITIONS));
  const decoded = await decodeArchive(conditional, Uint8Array.from(Buffer.from(golden(CONDITIONS), "hex")));
  expect(decoded.map(({ condition, pixels }) => [condition, pixels])).toEqual(
    zeros.map(({ condition, pixels }) => [condition, pixels]),
  );
  expect(hex(await encodeSingle(conditional, zeros[0]!))).toBe(golden(SINGLE_OF_CLASS));
  expect(hex(await encodeSingle(conditional, zeros[2]!))).toBe(golden(SINGLE_OF_NUMBERS));
});

test("a bare stream of 256 levels and three channels, 40 images in lock step", async () => {
  const colour = await contextPredictor({ levels: 256, channels: 3 });
  const pixels = Uint8Array.from({ length: 40 * 3 * 2 * 3 }, (_, i) => (i * i) % 7);
  const stream = await encodeStream(colour, pixels, { count: 40, height: 3, width: 2 });
  expect(`${stream.length} ${hex(stream.subarray(0, 16))} ${hex(stream.subarray(-16))}`).toBe(STREAM);
});

test("one number of symbols from 1 to 24 bits", () => {
  const encoder = new RangeEncoder();
  for (let i = 0; i < 24; i++) encoder.encode((2 ** 24 - 2 ** i) & ((i % 2) - 1) ? 2 ** 24 - 2 ** i : 0, 2 ** i);
  expect(hex(encoder.finish())).toBe(NUMBER);
});

test("docs/file-format.md walks through just these bytes, at these places", () => {
  const page = readFileSync(new URL("../../docs/file-format.md", import.meta.url), "utf8");
  const dumps = [...page.matchAll(/```\n(000 {2}[^`]*)```/g)].map(([, dump]) => {
    let bytes = "";
    for (const [, at, digits] of dump!.matchAll(/^([0-9a-f]{3}) {2}((?:[0-9a-f]{2}(?: |$))+)/gm)) {
      expect(Number.parseInt(at!, 16)).toBe(bytes.length / 2);
      bytes += golden(digits!);
    }
    return bytes;
  });
  expect(dumps).toEqual([golden(ARCHIVE), golden(SINGLE), golden(CONDITIONS)]);
});
