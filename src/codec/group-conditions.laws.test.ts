/**
 * Any mix of conditions comes back, in any grouping; and whatever happens to their bytes, a reader gives an error and
 * never a wrong image.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PixelcnnError } from "../errors.ts";
import { type CodecImage, type DecodedImage, decodeArchive, encodeImages, encodeSingle } from "./codec.ts";
import { type Archive, identityOf, openPxc, readGroup } from "./container.ts";
import { contextPredictor, makePixels } from "./context-predictor.test-support.ts";
import { crc32 } from "./crc32.ts";
import { conditionsLength } from "./group-conditions.ts";
import type { Condition } from "./predictor.ts";
import { decodePrefix } from "./prefix.ts";
import { salvageArchive } from "./salvage.ts";

const predictor = await contextPredictor({ levels: 4, conditionSize: 300 });
const size = { height: 5, width: 4 };
const numbers = (first: number): Float32Array => new Float32Array(300).fill(first, 0, 1).fill(0.1, 1);

async function drawn(conditions: readonly (Condition | undefined)[]): Promise<CodecImage[]> {
  return Promise.all(
    conditions.map(async (condition, seed) => {
      const given = condition === undefined ? undefined : [condition];
      return { ...size, condition, pixels: await makePixels(predictor, { ...size, count: 1 }, "sampled", seed, given) };
    }),
  );
}

/** Classes as varints and of a bit each, numbers, one vector for all, and images without: each in groups of its own. */
const original = await drawn([
  ...[0, 200, 299, 298, 299, 299, 7],
  ...[undefined, undefined],
  ...[numbers(0.1), numbers(0.2), numbers(0.3), numbers(0.3)],
]);
const archive = await encodeImages(predictor, original, { groupSize: 3 });
const singles = await Promise.all([0, 7, 9].map((i) => encodeSingle(predictor, original[i]!)));
const wanted = original.map(({ pixels }) => pixels.join());
const opened = openPxc(archive) as Archive;
const groups = opened.groups.map((place, i) => ({ ...place, ...readGroup(opened, i) }));

async function outcome<T>(work: Promise<T>): Promise<T | string> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof PixelcnnError) || error.kind === "internal" || error.kind === "usage") throw error;
    return error.kind;
  }
}

function wrongImages(images: readonly Pick<DecodedImage, "index" | "pixels">[]): number[] {
  return images.flatMap(({ index, pixels }) => (pixels.join() === wanted[index] ? [] : [index]));
}

test("any mix of classes, numbers and none, in groups of any size, comes back in order with its pixels", async () => {
  const anyCondition = fc.oneof(
    fc.constant(undefined),
    fc.constantFrom<Condition>(0, 1, 299),
    fc.constantFrom(0, 0.1, 2.5).map(numbers),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyCondition, { minLength: 1, maxLength: 24 }),
      fc.constantFrom(1, 3, 64),
      async (conditions, groupSize) => {
        const images = await drawn(conditions);
        const bytes = await encodeImages(predictor, images, { groupSize });
        const decoded = await decodeArchive(predictor, bytes);
        expect(decoded.map(({ condition, pixels }) => [condition, [...pixels]])).toEqual(
          images.map(({ condition, pixels }) => [condition, [...pixels]]),
        );
        expect(await encodeImages(predictor, images, { groupSize })).toEqual(bytes);
      },
    ),
    { numRuns: 40 },
  );
});

describe("damage to conditions", { timeout: 60_000 }, () => {
  /**
   * Bits of a group's mode and conditions: all of its bytes but the marker, the checksum, and what follows the
   * conditions.
   */
  const bitsOf = ({ offset, length, payload }: (typeof groups)[number]) => {
    const bits: number[] = [];
    for (let bit = 8 * (offset + 5); bit < 8 * (offset + length - payload.length); bit++) bits.push(bit);
    return bits;
  };
  const some = (_: number, i: number): boolean => i < 150 || i % 101 === 0;

  test("the archive under test has every kind", () => {
    expect(groups.map(({ conditions }) => conditions && conditionsLength(conditions))).toEqual([
      1 + 2 + 2,
      1 + 2 + 1 + 1,
      1,
      undefined,
      2 + 3 * 1200,
      2 + 1200,
    ]);
  });

  test("is a typed error, or costs a rescue its own group", async () => {
    for (const [hit, group] of groups.entries()) {
      for (const bit of bitsOf(group).filter(some)) {
        const flipped = archive.slice();
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        expect(await outcome(decodeArchive(predictor, flipped))).toBe("corrupt");
        const { images, lost } = await salvageArchive(predictor, flipped);
        expect(wrongImages(images)).toEqual([]);
        expect(images).toHaveLength(original.length - groups[hit]!.count);
        expect(lost).toMatchObject([{ first: group.first, last: group.first + group.count - 1 }]);
      }
    }
  });

  test("whose checksum is mended as well is a typed error, or leaves the pixels as they were", async () => {
    const kinds = new Map<string, number>();
    for (const group of groups) {
      const end = group.offset + group.length;
      for (const bit of bitsOf(group).filter(some)) {
        const forged = archive.slice();
        forged[bit >> 3]! ^= 1 << (bit & 7);
        const crc = crc32(forged.subarray(group.offset + 5, end), identityOf(opened.header));
        new DataView(forged.buffer).setUint32(group.offset + 1, crc, true);
        const result = await outcome(decodeArchive(predictor, forged));
        if (typeof result !== "string") expect(wrongImages(result)).toEqual([]);
        const kind = typeof result === "string" ? result : "pixels";
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
        expect(wrongImages((await salvageArchive(predictor, forged)).images)).toEqual([]);
      }
    }
    expect([...kinds.keys()].sort()).toEqual(["corrupt", "pixels"]);
  });

  test("to a file of one image is a typed error", async () => {
    for (const single of singles) {
      for (let bit = 0; bit < 8 * single.length; bit++) {
        if (!some(0, bit)) continue;
        const flipped = single.slice();
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        expect(["corrupt", "model"]).toContain(await outcome(decodeArchive(predictor, flipped)));
      }
    }
  });
});

test("a file cut anywhere gives whole groups, and of the next the rows that are certain", async () => {
  let rowsBefore = 0;
  const positions = opened.order ?? original.map((_, i) => i);
  for (let length = opened.header.end; length <= archive.length; length += length % 8 === 0 ? 11 : 3) {
    const result = await outcome(decodePrefix(predictor, archive.subarray(0, length)));
    if (typeof result === "string") expect.unreachable(`${length} bytes: ${result}`);
    // Without the directory nobody knows the first order: positions are all there is.
    for (const { index, pixels } of result.images)
      expect(pixels.join()).toBe(wanted[result.complete ? index : positions[index]!]);
    for (const { position, pixels } of result.partial)
      expect(wanted[positions[position]!]!.startsWith(pixels.join())).toBe(true);
    const rows = 5 * result.images.length + result.partial.reduce((sum, image) => sum + image.rows, 0);
    expect(rows).toBeGreaterThanOrEqual(rowsBefore);
    rowsBefore = rows;
  }
  expect(rowsBefore).toBe(5 * original.length);
  for (const single of singles) {
    for (let length = 0; length < single.length; length++) {
      const result = await outcome(decodePrefix(predictor, single.subarray(0, length)));
      if (typeof result === "string") expect(result).toBe("corrupt");
      else
        for (const { pixels } of result.partial) expect(wanted.some((all) => all.startsWith(pixels.join()))).toBe(true);
    }
  }
});

test("a rescue of a file full of heads that claim conditions gives up in time", { timeout: 30_000 }, async () => {
  // A group of one image whose 8,192 numbers hold one that is none, far behind: each marker asks for thousands to be
  // read, and none is a group.
  const claim = [0xb7, 0, 0, 0, 0, 0, 1, 5, 4, 8, 0x80, 0x40];
  const bytes = new Uint8Array(120_000);
  for (let i = 0; i < bytes.length; i++) bytes[i] = claim[i % claim.length]!;
  bytes.set(archive.subarray(0, opened.header.end));
  for (let at = 24_000; at < bytes.length; at += 24_000) bytes.set([0, 0, 0xc0, 0x7f], at);
  const { images, problems } = await salvageArchive(predictor, bytes);
  expect(images).toEqual([]);
  expect(problems.join()).toMatch(/the search for groups was given up/);
});
