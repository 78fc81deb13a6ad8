/**
 * What a strict reader does with anything but the encoder's own bytes: a typed error, never other pixels, never a hang.
 * Bounded here; `PIXELCNN_SLOW=1` runs 10^5 hostile headers and 10^6 random files.
 */

import { describe, expect, test } from "vitest";
import { PixelcnnError } from "../errors.ts";
import { type Random, randomFrom } from "../random.ts";
import { ByteWriter } from "./bytes.ts";
import { type DecodedImage, decodeArchive, encodeImages, encodeSingle } from "./codec.ts";
import { type Archive, identityOf, openPxc, readGroup } from "./container.ts";
import { contextPredictor, makePixels } from "./context-predictor.test-support.ts";
import { crc32 } from "./crc32.ts";
import { decodePrefix } from "./prefix.ts";
import { salvageArchive } from "./salvage.ts";

const SLOW = process.env.PIXELCNN_SLOW === "1";
const predictor = await contextPredictor({ levels: 4 });
const original = await Promise.all(
  [0, 1, 2, 3, 4].map(async (seed) => ({
    height: 5,
    width: 4,
    name: `image ${seed}.png`,
    pixels: await makePixels(predictor, { count: 1, height: 5, width: 4 }, seed === 2 ? "unlikely" : "constant", seed),
  })),
);
const archive = await encodeImages(predictor, original, { groupSize: 2 });
const single = await encodeSingle(predictor, original[0]!);
const wanted = original.map(({ pixels }) => pixels.join());

/** Decoded images, or the kind of the error; anything but a PixelcnnError fails the test. */
async function outcome<T>(work: Promise<T>): Promise<T | string> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof PixelcnnError) || error.kind === "internal") throw error;
    return error.kind;
  }
}

function wrongImages(images: readonly Pick<DecodedImage, "index" | "pixels">[]): number[] {
  return images.flatMap(({ index, pixels }) => (pixels.join() === wanted[index] ? [] : [index]));
}

describe("every bit of a file", { timeout: 30_000 }, () => {
  test("if flipped, gives a typed error", async () => {
    for (const bytes of [archive, single]) {
      const kinds = new Set<string>();
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        const flipped = bytes.slice();
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        const result = await outcome(decodeArchive(predictor, flipped));
        if (typeof result !== "string") expect.unreachable(`bit ${bit} may be flipped`);
        kinds.add(result);
      }
      // The model's id of a file of one image is not under a checksum of its own: there, damage reads as another model.
      expect([...kinds].sort()).toEqual(bytes === single ? ["corrupt", "model"] : ["corrupt"]);
    }
  });

  test("if flipped, costs a rescue no more than its own group, and never gives wrong pixels", async () => {
    const { groups } = openPxc(archive) as Archive;
    for (let bit = 0; bit < 8 * archive.length; bit++) {
      const flipped = archive.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const { images, lost, problems } = await salvageArchive(predictor, flipped);
      const hit = groups.findIndex(({ offset, length }) => bit >> 3 >= offset && bit >> 3 < offset + length);
      const expected = groups.flatMap(({ first, count }, i) =>
        i === hit ? [] : Array.from({ length: count }, (_, k) => first + k),
      );
      const found = images.map(({ index }) => index);
      if (found.join() !== expected.join() || wrongImages(images).length > 0)
        expect.unreachable(`bit ${bit}: got ${found}`);
      if (hit >= 0) {
        const place = groups[hit]!;
        const names = original.slice(place.first, place.first + place.count).map(({ name }) => name);
        if (lost.length !== 1 || lost[0]!.names.join() !== names.join())
          expect.unreachable(`bit ${bit}: lost ${JSON.stringify(lost)}`);
      } else if (problems.length === 0) {
        expect.unreachable(`bit ${bit}: no problem reported`);
      }
    }
  });
});

test("a payload changed by someone who also mends the checksum gives a typed error, or the same file", async () => {
  const bytes = archive.slice();
  const { groups, header } = openPxc(archive) as Archive;
  expect(groups.map((_, i) => readGroup(openPxc(archive) as Archive, i).streamLength > 0)).toEqual([true, true, true]);
  for (const [i, { offset, length }] of groups.entries()) {
    const end = offset + length;
    const payloadAt = end - readGroup(openPxc(archive) as Archive, i).payload.length;
    for (let bit = 8 * payloadAt; bit < 8 * end; bit++) {
      const forged = bytes.slice();
      forged[bit >> 3]! ^= 1 << (bit & 7);
      new DataView(forged.buffer).setUint32(
        offset + 1,
        crc32(forged.subarray(offset + 5, end), identityOf(header)),
        true,
      );
      const result = await outcome(decodeArchive(predictor, forged));
      if (result !== "corrupt") expect.unreachable(`bit ${bit} may be forged`);
      expect(wrongImages((await salvageArchive(predictor, forged)).images)).toEqual([]);
    }
  }
});

describe("a file cut short", () => {
  test("at any byte gives a typed error", async () => {
    for (const bytes of [archive, single]) {
      for (let length = 0; length < bytes.length; length++) {
        expect(await outcome(decodeArchive(predictor, bytes.subarray(0, length)))).toBe("corrupt");
      }
    }
  });

  test("at any byte gives a rescue the groups before the cut", async () => {
    const { groups, header } = openPxc(archive) as Archive;
    for (let length = header.end; length < archive.length; length++) {
      const { images, lost } = await salvageArchive(predictor, archive.subarray(0, length));
      const whole = groups
        .filter((group) => group.offset + group.length <= length)
        .reduce((sum, { count }) => sum + count, 0);
      expect(images.map(({ index }) => index)).toEqual(Array.from({ length: whole }, (_, i) => i));
      expect(wrongImages(images)).toEqual([]);
      expect(lost.at(-1)).toMatchObject({ first: whole, last: undefined });
    }
  });

  test("at any byte gives the rows that are certain, and they are right", async () => {
    for (const bytes of [archive, single]) {
      let rowsBefore = 0;
      for (let length = 0; length <= bytes.length; length++) {
        const result = await outcome(decodePrefix(predictor, bytes.subarray(0, length)));
        if (typeof result === "string") {
          expect(result).toBe("corrupt");
          expect(length).toBeLessThan(80);
          continue;
        }
        expect(wrongImages(result.images)).toEqual([]);
        for (const { position, pixels, rows } of result.partial) {
          expect(wanted[position]!.startsWith(pixels.join())).toBe(true);
          expect(pixels).toHaveLength(rows * 4);
        }
        const rows = 5 * result.images.length + result.partial.reduce((sum, image) => sum + image.rows, 0);
        expect(rows).toBeGreaterThanOrEqual(rowsBefore);
        rowsBefore = rows;
        expect(result.complete).toBe(length === bytes.length);
      }
      expect(rowsBefore).toBe(bytes === single ? 5 : 25);
    }
  });
});

describe("a file with more in it", () => {
  test("than it should have gives a typed error; a rescue keeps every image, with its name", async () => {
    const random = randomFrom(4);
    for (const extra of [
      [0],
      [255],
      [0, 0, 0, 0, 0, 0, 0, 0],
      [...archive],
      Array.from({ length: 999 }, () => random.below(256)),
    ]) {
      const longer = Uint8Array.of(...archive, ...extra);
      expect(await outcome(decodeArchive(predictor, longer))).toBe("corrupt");
      expect(await outcome(decodeArchive(predictor, Uint8Array.of(...single, ...extra)))).toBe("corrupt");
      const { images, lost } = await salvageArchive(predictor, longer);
      if (extra.length === archive.length) continue; // Ends in the directory of the second copy: tested below.
      expect(images.map(({ name }) => name)).toEqual(original.map(({ name }) => name));
      expect(lost).toEqual([]);
    }
  });

  test("or less, in its middle, keeps the groups that are whole and their names", async () => {
    const { groups, header } = openPxc(archive) as Archive;
    for (const [from, to, extra] of [
      [groups[1]!.offset, groups[2]!.offset, []],
      [groups[1]!.offset, groups[1]!.offset + 3, []],
      [groups[1]!.offset, groups[1]!.offset, [1, 0xb7, 0xd1, 0xb7]],
      [header.end, groups[1]!.offset, []],
    ] as const) {
      const changed = Uint8Array.of(...archive.subarray(0, from), ...extra, ...archive.subarray(to));
      expect(await outcome(decodeArchive(predictor, changed))).toBe("corrupt");
      const { images, lost } = await salvageArchive(predictor, changed);
      expect(wrongImages(images)).toEqual([]);
      for (const { index, name } of images) expect(name).toBe(original[index]!.name);
      expect(images.length + lost.flatMap(({ names }) => names).length).toBe(5);
      expect(images.length).toBe(from === to ? 5 : 3);
    }
  });

  test("twice over is one archive and its copy: nothing comes out twice", async () => {
    const { images } = await salvageArchive(predictor, Uint8Array.of(...archive, ...archive));
    expect(images.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
    expect(wrongImages(images)).toEqual([]);
  });
});

test("groups that change places are refused, and are not rescued as each other", async () => {
  const { groups } = openPxc(archive) as Archive;
  const parts = groups.map(({ offset, length }) => archive.subarray(offset, offset + length));
  const same = await encodeImages(predictor, [original[0]!, original[0]!, original[0]!], { groupSize: 1 });
  const places = (openPxc(same) as Archive).groups;
  expect(places[0]!.length).toBe(places[1]!.length);
  const swapped = same.slice();
  swapped.set(same.subarray(places[1]!.offset, places[1]!.offset + places[1]!.length), places[0]!.offset);
  swapped.set(same.subarray(places[0]!.offset, places[0]!.offset + places[0]!.length), places[1]!.offset);
  const error = await decodeArchive(predictor, swapped).catch((e) => e);
  expect(error.message).toMatch(
    /^group 0 \(images 0 to 0, .*\): byte \d+: expected 1 images from 0 on but found 1 from 1 on \(groups swapped\?\)$/,
  );
  expect((await salvageArchive(predictor, swapped)).images.map(({ index }) => index)).toEqual([2]);
  const moved = Uint8Array.of(
    ...archive.subarray(0, groups[0]!.offset),
    ...parts[1]!,
    ...parts[0]!,
    ...archive.subarray(groups[2]!.offset),
  );
  expect(await outcome(decodeArchive(predictor, moved))).toBe("corrupt");
});

test("a group of another model's archive does not fit", async () => {
  const other = await contextPredictor({ levels: 4, seed: 99 });
  const foreign = await encodeImages(other, original, { groupSize: 2 });
  const header = (openPxc(archive) as Archive).header.end;
  const mixed = Uint8Array.of(...archive.subarray(0, header), ...foreign.subarray(header));
  expect(await outcome(decodeArchive(predictor, mixed))).toBe("corrupt");
  expect(await outcome(decodeArchive(predictor, foreign))).toBe("model");
  expect(await outcome(salvageArchive(predictor, foreign))).toBe("model");
});

describe("hostile bytes", () => {
  /** A number as an attacker would pick it, in any varint form. */
  function hostileNumber(random: Random, writer: ByteWriter): void {
    const pick = random.below(8);
    if (pick < 3) writer.varint(random.below(6));
    else if (pick === 3) writer.varint(2 ** random.below(53) - random.below(2));
    else if (pick === 4) writer.varint(random.below(2 ** 20));
    else if (pick === 5) writer.byte(0x80).byte(0);
    else if (pick === 6) for (let i = random.below(10); i >= 0; i--) writer.byte(255);
    else writer.byte(random.below(256));
  }

  /** An archive or single file whose checksums all hold, and whose every field may lie. */
  function hostileFile(random: Random): Uint8Array {
    const identity = identityOf(predictor);
    const fields = (count: number, writer = new ByteWriter()) => {
      for (let i = 0; i < count; i++) hostileNumber(random, writer);
      return writer;
    };
    if (random.below(4) === 0) {
      const before = new ByteWriter()
        .raw(single.subarray(0, 5))
        .byte(1 | (random.below(8) << 1))
        .raw(single.subarray(6, 14))
        .finish();
      const after = fields(random.below(12)).finish();
      return new ByteWriter()
        .raw(before)
        .u32(crc32(after, crc32(before)))
        .raw(after)
        .finish();
    }
    const file = new ByteWriter();
    if (random.below(3) > 0) {
      file.raw(archive.subarray(0, (openPxc(archive) as Archive).header.end));
    } else {
      const head = fields(random.below(6), new ByteWriter().raw(archive.subarray(0, 38))).finish();
      file.raw(head).u32(crc32(head));
    }
    const groups = Array.from({ length: random.below(4) }, () => {
      const rest = new ByteWriter();
      if (random.below(2) === 0) fields(random.below(14), rest);
      else {
        for (let i = 0; i < 4; i++) rest.varint(i === 0 ? 0 : 1 + random.below(random.below(2) === 0 ? 4 : 5000));
        rest.byte(random.below(16));
        fields(random.below(20), rest);
      }
      const bytes = rest.finish();
      return new ByteWriter().byte(0xb7).u32(crc32(bytes, identity)).raw(bytes).finish();
    });
    for (const group of groups) file.raw(group);
    const body = new ByteWriter();
    if (random.below(2) === 0) fields(random.below(12), body);
    else {
      body.varint(groups.length);
      for (const group of groups) fields(1, body.varint(group.length));
      fields(1, body.byte(random.below(8)));
    }
    const bodyBytes = body.finish();
    const directory = new ByteWriter()
      .byte(0xd1)
      .u32(bodyBytes.length + 5)
      .raw(bodyBytes)
      .u32(bodyBytes.length + 5)
      .finish();
    return file.raw(directory).u32(crc32(directory, identity)).finish();
  }

  const count = SLOW ? 100_000 : 1500;
  test(`${count} files with valid checksums around lying fields give typed errors, or small images`, {
    timeout: 3_600_000,
  }, async () => {
    const reasons = new Set<string>();
    let accepted = 0;
    const before = process.memoryUsage().rss;
    for (let seed = 0; seed < count; seed++) {
      const bytes = hostileFile(randomFrom(seed, 3));
      const limits = { pixelBudget: 2 ** 12, totalBudget: 2 ** 13 };
      try {
        const images = await decodeArchive(predictor, bytes, limits);
        accepted++;
        expect(images.reduce((sum, image) => sum + image.pixels.length, 0)).toBeLessThanOrEqual(2 ** 13);
      } catch (error) {
        if (!(error instanceof PixelcnnError) || error.kind === "internal" || error.kind === "usage") throw error;
        reasons.add(error.message.replace(/[0-9a-f]*\d[0-9a-f]*/g, "#"));
      }
      const saved = await outcome(salvageArchive(predictor, bytes, limits));
      if (typeof saved !== "string")
        expect(saved.images.reduce((sum, image) => sum + image.pixels.length, 0)).toBeLessThanOrEqual(2 ** 13);
      await outcome(decodePrefix(predictor, bytes, limits));
    }
    expect(reasons.size).toBeGreaterThan(30);
    expect(accepted).toBeLessThan(count / 10);
    if (SLOW) expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 28);
  });

  const files = SLOW ? 1_000_000 : 5000;
  test(`${files} files of random bytes, half of them with a valid beginning, give typed errors`, {
    timeout: 3_600_000,
  }, async () => {
    const random = randomFrom(8);
    for (let i = 0; i < files; i++) {
      const bytes = Uint8Array.from({ length: random.below(120) }, () => random.below(256));
      if (i % 2 === 1)
        bytes.set(
          (i % 4 === 1 ? archive : single).subarray(0, Math.min(bytes.length, random.below(single.length - 4))),
        );
      const result = await outcome(decodeArchive(predictor, bytes));
      if (typeof result !== "string") expect.unreachable(`random file ${i} decodes`);
    }
  });

  test("a file full of group markers does not make a rescue slow", { timeout: 30_000 }, async () => {
    const header = archive.subarray(0, (openPxc(archive) as Archive).header.end);
    for (const pattern of [[0xb7], [0xd1], [0xb7, 0, 0, 0, 0, 0, 1, 1, 100, 1, 0, 0, 0, 0]]) {
      const bytes = new Uint8Array(50_000);
      for (let i = 0; i < bytes.length; i++) bytes[i] = pattern[i % pattern.length]!;
      bytes.set(header);
      const { images } = await salvageArchive(predictor, bytes);
      expect(images).toEqual([]);
    }
  });
});
