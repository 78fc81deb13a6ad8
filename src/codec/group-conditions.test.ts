/**
 * Conditions of images in archives: they come back, cost what the format says, and decide the pixels; wrong ones are
 * refused in words.
 */

import { describe, expect, test } from "vitest";
import type { PixelcnnError } from "../errors.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { type CodecImage, decodeArchive, decodeOneGroup, encodeImages, encodeSingle } from "./codec.ts";
import { type Archive, openPxc, readGroup } from "./container.ts";
import { contextPredictor, makePixels } from "./context-predictor.test-support.ts";
import { conditionsLength, conditionsMode, readConditions, writeConditions } from "./group-conditions.ts";
import type { Condition } from "./predictor.ts";

const model = await contextPredictor({ levels: 8, conditionSize: 4 });
const size = { height: 6, width: 5 };
const map = await contextPredictor({ levels: 8, conditionSize: 4, mapSize: size });

/** Images that the model draws, each under its condition. */
async function drawn(conditions: readonly (Condition | undefined)[]): Promise<CodecImage[]> {
  return Promise.all(
    conditions.map(async (condition, seed) => {
      const given = condition === undefined ? undefined : [condition];
      return { ...size, condition, pixels: await makePixels(model, { ...size, count: 1 }, "sampled", seed, given) };
    }),
  );
}

async function failure(promise: Promise<unknown>): Promise<PixelcnnError> {
  return promise.then(
    () => expect.unreachable("expected an error"),
    (error) => error,
  );
}

const conditionsOf = (images: readonly CodecImage[]) => images.map(({ condition }) => condition);
const pixelsOf = (images: readonly CodecImage[]) => images.map(({ pixels }) => [...pixels]);

const classes = [0, 3, 1, 1, 0];
const vectors = [
  [0.5, 1, 2, 3],
  [-1, 0, 0, 0],
  [0.1, -0, 1e-40, 3e38],
].map((numbers) => Float32Array.from(numbers));

describe("an archive", () => {
  test.each<[string, readonly Condition[]]>([
    ["a class", classes],
    ["numbers", vectors],
  ])("conditions the model on %s of each image, and keeps it", async (_what, conditions) => {
    const images = await drawn(conditions);
    for (const groupSize of [1, 2, 64]) {
      const decoded = await decodeArchive(model, await encodeImages(model, images, { groupSize }));
      expect(pixelsOf(decoded)).toEqual(pixelsOf(images));
      expect(conditionsOf(decoded)).toEqual(conditions);
    }
    for (const image of images) {
      const [alone] = await decodeArchive(model, await encodeSingle(model, image));
      expect(alone).toMatchObject({ pixels: image.pixels, condition: image.condition });
    }
  });

  test("gathers images whose conditions are of one kind, and gives all back in order", async () => {
    const conditions = [2, undefined, vectors[0], 1, undefined, vectors[1], vectors[1]];
    const images = (await drawn(conditions)).map((image, i) => ({ ...image, name: `${i}.png`, label: i }));
    const bytes = await encodeImages(model, images);
    const archive = openPxc(bytes) as Archive;
    expect([...archive.order!]).toEqual([0, 3, 1, 4, 2, 5, 6]);
    expect(archive.groups.map((_, i) => readGroup(archive, i).conditions)).toEqual([
      [2, 1],
      undefined,
      [vectors[0], vectors[1], vectors[1]],
    ]);
    const decoded = await decodeArchive(model, bytes);
    expect(decoded.map(({ name, label, condition }) => [name, label, condition])).toEqual(
      images.map(({ name, label, condition }) => [name, label, condition]),
    );
    expect(pixelsOf(decoded)).toEqual(pixelsOf(images));
    const [third] = await decodeOneGroup(model, archive, 2);
    expect(third).toMatchObject({ index: 2, condition: vectors[0], pixels: images[2]!.pixels });
  });

  test("keeps one condition of all images once, and classes in few bits", async () => {
    const lengthOf = async (images: readonly CodecImage[]): Promise<number> => {
      const bytes = await encodeImages(model, images);
      const back = await decodeArchive(model, bytes);
      expect([conditionsOf(back), pixelsOf(back)]).toEqual([conditionsOf(images), pixelsOf(images)]);
      return conditionsLength(readGroup(openPxc(bytes) as Archive, 0).conditions);
    };
    expect(await lengthOf(await drawn([3, 1]))).toBe(2);
    expect(await lengthOf(await drawn(Array(9).fill(3)))).toBe(3);
    expect(await lengthOf(await drawn(Array.from({ length: 9 }, (_, i) => i % 4)))).toBe(3 + 3);
    expect(await lengthOf(await drawn(Array.from({ length: 9 }, (_, i) => 2 + (i % 2))))).toBe(3 + 2);
    expect(await lengthOf(await drawn(Array(4).fill(vectors[0])))).toBe(1 + 16);
  });

  test("of the wrong conditions would hold other pixels: the model is asked with the right ones", async () => {
    const images = await drawn([0, 3, 1, 2]);
    const own = await encodeImages(model, images);
    const none = await encodeImages(
      model,
      images.map(({ condition: _, ...image }) => image),
    );
    const payload = (bytes: Uint8Array): number => readGroup(openPxc(bytes) as Archive, 0).payload.length;
    expect(payload(own)).toBeLessThan(payload(none));
  });
});

describe("bytes", () => {
  const written = (conditions: readonly Condition[]): Uint8Array => {
    const writer = new ByteWriter();
    writeConditions(writer, conditions);
    expect(conditionsLength(conditions)).toBe(writer.length);
    return writer.finish();
  };

  test("of each mode are as docs/file-format.md says", () => {
    const half = [0, 0, 0, 63];
    const cases: [readonly Condition[], number, readonly number[]][] = [
      [[5, 300], 1, [5, 0xac, 2]],
      [[Float32Array.of(0.5, 0), Float32Array.of(0.5, -0)], 2, [2, ...half, 0, 0, 0, 0, ...half, 0, 0, 0, 128]],
      [[300, 300, 300], 3, [0, 0xac, 2, 0]],
      // 300 and 1, 0, 6, 7, of three bits.
      [[301, 300, 306, 307], 3, [0, 0xac, 2, 3, 0b10_000_001, 0b1111]],
      [[0, 2 ** 32 - 1, 2 ** 32 - 1], 1, [0, 255, 255, 255, 255, 15, 255, 255, 255, 255, 15]],
      [
        Array(12)
          .fill(0)
          .with(7, 2 ** 31),
        1,
        [0, 0, 0, 0, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 8, 0, 0, 0, 0],
      ],
      [[Float32Array.of(0.5), Float32Array.of(0.5)], 3, [1, ...half]],
      [[7], 1, [7]],
      [[Float32Array.of(0.5)], 2, [1, ...half]],
    ];
    for (const [conditions, mode, bytes] of cases) {
      expect([conditionsMode(conditions), [...written(conditions)]]).toEqual([mode, bytes]);
      expect(readConditions(new ByteReader(Uint8Array.from(bytes)), mode as 1, conditions.length)).toEqual(conditions);
    }
    expect([conditionsMode(undefined), conditionsLength(undefined)]).toEqual([0, 0]);
  });

  test("that claim more than there is, or than a reader allows, take no memory", () => {
    const read = (mode: number, count: number, ...bytes: number[]) => {
      const reader = new ByteReader(Uint8Array.from(bytes));
      return () => readConditions(reader, mode as 1, count);
    };
    const huge = [0x80, 0x80, 0x80, 8]; // 2^24
    expect(read(1, 3, 0, 0)).toThrow(
      /^byte 0: expected 3 bytes for the conditions but found 2 before the end \(truncated\)$/,
    );
    expect(read(2, 65536, ...huge, 0)).toThrow(
      /expected 4398046511104 bytes for the conditions but found 1 before the end/,
    );
    expect(read(2, 1, 0)).toThrow(
      /^byte 0: expected a number from 1 to 16777216 for the size of a condition but found 0$/,
    );
    expect(read(3, 2, ...huge, 0)).toThrow(
      /^byte 0: expected at most 16777216 numbers in all for the condition of all images but found 2 x 16777216$/,
    );
    expect(read(3, 1, ...huge, 0)).toThrow(
      /expected 67108864 bytes for the condition of all images but found 1 before/,
    );
    expect(read(3, 9, 0, 5, 40)).toThrow(/^byte 2: expected at most 32 for the bits of a class but found 40$/);
    expect(read(3, 9, 0, 5, 32, 0)).toThrow(
      /^byte 3: expected 36 bytes for the classes but found 1 before the end \(truncated\)$/,
    );
    expect(read(3, 3, 0, 5, 2, 0b01_00_10, 0)).not.toThrow();
    expect(read(3, 3, 0, 5, 2, 0b11_01_00_10)).toThrow(
      /^byte 2: expected zeros in the bits left over at the end for the classes but found others$/,
    );
    const others = /^byte 2: expected some from 5 on that need 2 bits for the classes but found /;
    expect(read(3, 3, 0, 5, 2, 0b01_01_10)).toThrow(others);
    expect(read(3, 3, 0, 5, 2, 0b01_00_01)).toThrow(others);
    expect(read(3, 2, 0, 0xff, 0xff, 0xff, 0xff, 15, 1, 0b10)).toThrow(
      /expected some from 4294967295 on that need 1 bits/,
    );
    expect(read(3, 4, 1, 0, 0, 0x80, 0x7f)).toThrow(
      /^byte 1: expected a finite number for a number of a condition but found Inf/,
    );
  });
});

describe("a condition that the model does not take", () => {
  const image = { ...size, pixels: new Uint8Array(30) };

  test("is a usage error of who encodes", async () => {
    const plain = await contextPredictor({ levels: 8 });
    const wrong: [typeof model, CodecImage, string][] = [
      [
        plain,
        { ...image, condition: 1 },
        "expected no condition, for a model without one, but received one for image 1",
      ],
      [model, { ...image, condition: 4 }, "expected a class from 0 to 3 for image 1 but received 4"],
      [model, { ...image, condition: 0.5 }, "expected a class from 0 to 3 for image 1 but received 0.5"],
      [
        model,
        { ...image, name: "a.png", condition: Float32Array.of(1) },
        'expected 4 numbers for the condition of image 1 ("a.png") but received 1',
      ],
      [
        model,
        { ...image, condition: Float32Array.of(1, 2, Number.NaN, 0) },
        "expected finite numbers for the condition of image 1 but received NaN at 2",
      ],
      [map, { ...image, condition: 2 }, "expected a map of 4 numbers for image 1 but received the class 2"],
      [
        map,
        { ...image, height: 5, width: 6, condition: vectors[0] },
        "expected 6 x 5 pixels, which the model's map fixes, for image 1 but received 5 x 6",
      ],
    ];
    for (const [predictor, other, message] of wrong) {
      for (const encode of [encodeImages(predictor, [image, other]), encodeSingle(predictor, other)]) {
        const error = await failure(encode);
        expect([error.kind, error.message.replace("image 0", "image 1")]).toEqual(["usage", message]);
      }
    }
    // Without its map an image may have any size.
    const any = [image, { ...image, height: 5, width: 6 }];
    expect(await decodeArchive(map, await encodeImages(map, any))).toHaveLength(2);
  });

  test("is damage, for who decodes", async () => {
    const files: [typeof model, CodecImage, RegExp][] = [
      [map, { ...image, condition: 2 }, /^group 0 .*: expected a map of 4 numbers for image 0 but found the class 2$/],
      [
        { ...map, mapSize: { height: 9, width: 5 } },
        { ...image, condition: vectors[0] },
        /^group 0 .*: expected 9 x 5 pixels, which the model's map fixes, for image 0 but found 6 x 5$/,
      ],
      [
        { ...model, conditionSize: 3 },
        { ...image, condition: 3 },
        /^group 0 .*: expected a class from 0 to 2 for image 0 but found 3$/,
      ],
      [
        { ...model, conditionSize: 3 },
        { ...image, condition: vectors[0] },
        /^group 0 .*: expected 3 numbers for the condition of image 0 but found 4$/,
      ],
      [
        { ...model, conditionSize: 0 },
        { ...image, condition: 1 },
        /^group 0 .*: expected no condition, for a model without one/,
      ],
    ];
    for (const [predictor, other, words] of files) {
      const liar = { ...model, digest: predictor.digest };
      const error = await failure(decodeArchive(predictor, await encodeImages(liar, [other])));
      expect([error.kind, error.message]).toEqual(["corrupt", expect.stringMatching(words)]);
    }
  });
});
