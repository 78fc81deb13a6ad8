/**
 * The codec on the exact engine with conditions of every kind: lossless in any grouping, alone, cut short, and in
 * threads; as many bits as the engine says.
 */

import { afterAll, describe, expect, test } from "vitest";
import { configOf, type Loose, randomConditions, randomModel } from "../exact/naive.test-support.ts";
import { type CodecImage, decodeArchive, decodeOneGroup, encodeImages, encodeSingle } from "./codec.ts";
import { openPxc, readGroup } from "./container.ts";
import { hex } from "./digest.ts";
import { type EnginePredictor, enginePredictor } from "./engine-predictor.ts";
import { openGroupThreads } from "./group-threads.ts";
import { decodePrefix } from "./prefix.ts";
import { salvageArchive } from "./salvage.ts";

const SIZE = { height: 6, width: 9 };
const mapOf = (height: number, width: number, channels: number): Loose => ({
  ...SIZE,
  condition: { kind: "map", height, width, channels, features: 6 },
});

const closing: { close(): Promise<void> }[] = [];
afterAll(async () => void (await Promise.all(closing.map((one) => one.close()))));

describe.each<[string, Loose]>([
  ["classes, and mixtures of them", { condition: { kind: "class", classes: ["a", "b", "c", "d"] } }],
  ["a vector", { channels: 3, levels: 256, condition: { kind: "vector", size: 5 } }],
  ["a map of the image's size", { levels: 8, ...mapOf(6, 9, 2) }],
  ["a map of a quarter", mapOf(2, 3, 1)],
])("a model with %s", (_name, changes) => {
  const model = randomModel(configOf(changes), 21);
  let opened: Promise<EnginePredictor> | undefined;
  const predictorOf = (): Promise<EnginePredictor> => {
    opened ??= enginePredictor(model).then((predictor) => {
      closing.push(predictor);
      return predictor;
    });
    return opened;
  };

  /** Images that the model drew, each under its own condition; every fifth without. */
  async function drawn(count: number): Promise<CodecImage[]> {
    const { engine } = await predictorOf();
    const conditions = randomConditions(model.config, count);
    const { pixels } = await engine.sample({ count, ...SIZE, seed: 5, conditions });
    const each = pixels.length / count;
    return conditions.map((condition, i) => ({
      ...SIZE,
      condition: condition ?? undefined,
      pixels: pixels.slice(i * each, (i + 1) * each),
    }));
  }
  const partsOf = (images: readonly CodecImage[]) => images.map(({ condition, pixels }) => [condition, hex(pixels)]);

  test("gives back pixels and conditions in groups of 1, 3 and 64, alone, and group by group", async () => {
    const predictor = await predictorOf();
    const images = await drawn(17);
    for (const groupSize of [1, 3, 64]) {
      const bytes = await encodeImages(predictor, images, { groupSize });
      expect(partsOf(await decodeArchive(predictor, bytes))).toEqual(partsOf(images));
      const file = openPxc(bytes);
      const last = (file.kind === "archive" && file.groups.length - 1) || 0;
      for (const image of await decodeOneGroup(predictor, file, last))
        expect(partsOf([image])).toEqual(partsOf([images[image.index]!]));
    }
    for (const image of images.slice(0, 5))
      expect(partsOf(await decodeArchive(predictor, await encodeSingle(predictor, image)))).toEqual(partsOf([image]));
  });

  test("gives the same bytes in threads, where conditions are parts of one buffer too", async () => {
    const predictor = await predictorOf();
    const images = (await drawn(12)).map(({ condition, ...image }) => {
      if (typeof condition !== "object") return { ...image, condition };
      const long = new Float32Array(condition.length + 7);
      long.set(condition, 3);
      return { ...image, condition: long.subarray(3, 3 + condition.length) };
    });
    const threads = openGroupThreads(model, predictor, { count: 2 });
    closing.push(threads);
    const bytes = await encodeImages(predictor, images, { groupSize: 3 });
    expect(hex(await encodeImages(predictor, images, { groupSize: 3, threads }))).toBe(hex(bytes));
    expect(partsOf(await decodeArchive(predictor, bytes, { threads }))).toEqual(partsOf(images));
  });

  test("needs the bits that the engine says, and at most 4 more a group", async () => {
    const predictor = await predictorOf();
    const images = await drawn(40);
    const bits = await predictor.engine.score({
      images: { ...SIZE, pixels: Uint8Array.from(images.flatMap(({ pixels }) => [...pixels])) },
      conditions: images.map(({ condition }) => condition ?? null),
    });
    const each = bits.length / images.length;
    const bytes = await encodeImages(predictor, images, { groupSize: 8 });
    const file = openPxc(bytes);
    if (file.kind !== "archive") throw new Error("expected an archive");
    for (const [k, { first, count }] of file.groups.entries()) {
      const { payload, stored } = readGroup(file, k);
      const own = Array.from({ length: count }, (_, i) => file.order?.[first + i] ?? first + i);
      const score = own.reduce((sum, i) => sum + bits.subarray(i * each, (i + 1) * each).reduce((a, b) => a + b, 0), 0);
      const most = 2e-5 * score + 4 + 8;
      if (!stored.includes(true)) expect(Math.abs(8 * payload.length - score)).toBeLessThanOrEqual(most);
      else expect(8 * payload.length).toBeLessThanOrEqual(score + most);
    }
  });

  test("refuses an image whose condition in the file is not the one that it was coded with", async () => {
    const predictor = await predictorOf();
    let refused = 0;
    const images = (await drawn(17)).filter(({ condition }) => condition !== undefined);
    for (const image of images) {
      const liar: EnginePredictor = {
        ...predictor,
        forced: (pixels, size, onRow) => predictor.forced(pixels, size, onRow, { conditions: [image.condition!] }),
      };
      const other = images.find(({ condition }) => String(condition) !== String(image.condition))!.condition;
      const bytes = await encodeImages(liar, [{ ...image, condition: other }]);
      const file = openPxc(bytes);
      // A stored image needs no condition.
      if (file.kind === "archive" && readGroup(file, 0).stored[0]) continue;
      refused++;
      await expect(decodeArchive(predictor, bytes)).rejects.toMatchObject({ kind: "corrupt" });
      expect((await salvageArchive(predictor, bytes)).images).toEqual([]);
      expect(partsOf(await decodeArchive(predictor, await encodeImages(liar, [image])))).toEqual(partsOf([image]));
    }
    expect(refused).toBeGreaterThan(5);
  });

  test("of a file cut short gives the rows that are certain", async () => {
    const predictor = await predictorOf();
    const images = await drawn(3);
    const bytes = await encodeImages(predictor, images);
    const file = openPxc(bytes);
    const end = (file.kind === "archive" && file.groups.at(-1)!.offset + file.groups.at(-1)!.length) || 0;
    const { images: whole, partial } = await decodePrefix(predictor, bytes.subarray(0, end - 9));
    const positions = (file.kind === "archive" && file.order) || [0, 1, 2];
    for (const { index, pixels } of whole) expect(hex(pixels)).toBe(hex(images[positions[index]!]!.pixels));
    expect(partial.length).toBeGreaterThan(0);
    for (const { position, pixels } of partial)
      expect(hex(images[positions[position]!]!.pixels).startsWith(hex(pixels))).toBe(true);
    expect(partial.some(({ rows }) => rows > 0)).toBe(true);
  });
});
