import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeArchive, encodeImages, encodeSingle } from "./codec.ts";
import { type Archive, openPxc, readGroup } from "./container.ts";
import { contextPredictor, makePixels, type PixelKind } from "./context-predictor.test-support.ts";
import { decodeStream, encodeStream } from "./group-coder.ts";
import { packedLength } from "./packed-levels.ts";
import type { GroupSize, Predictor } from "./predictor.ts";

const models = fc.record({
  channels: fc.constantFrom(1, 1, 3, 4),
  levels: fc.oneof(fc.constantFrom(2, 3, 16, 255, 256), fc.integer({ min: 2, max: 256 })),
  seed: fc.nat(1000),
  kind: fc.constantFrom("adaptive" as const, "spiky" as const),
});
const kinds = fc.constantFrom<PixelKind>("random", "constant", "zeros", "stripes", "unlikely", "sampled");
const sides = fc.oneof(fc.constantFrom(1, 2, 3, 8), fc.integer({ min: 1, max: 14 }));
/** Header and directory of an archive with one group and no names: marker, checksums, sizes. */
const ARCHIVE_HEADER = 90;

/** Bits by the model, summed in float64. */
async function scoreOf(predictor: Predictor, pixels: Uint8Array, size: GroupSize): Promise<number> {
  let bits = 0;
  await predictor.forced(pixels, size, (_row, _starts, frequencies) => {
    for (const frequency of frequencies) bits -= Math.log2(frequency / 2 ** 24);
  });
  return bits;
}

describe("decode(encode(images)) is the images", { timeout: 60_000 }, () => {
  test(
    "for any size, levels, channels and pixels, in an archive, alone and bare; never larger than raw and a " + "header",
    async () => {
      await fc.assert(
        fc.asyncProperty(
          models,
          kinds,
          sides,
          sides,
          fc.integer({ min: 1, max: 5 }),
          fc.nat(),
          async (model, kind, height, width, count, seed) => {
            const predictor = await contextPredictor(model);
            const size = { count, height, width };
            const pixels = await makePixels(predictor, size, kind, seed);
            const perImage = height * width * model.channels;
            const images = Array.from({ length: count }, (_, i) => ({
              height,
              width,
              pixels: pixels.subarray(i * perImage, (i + 1) * perImage),
            }));

            const archive = await encodeImages(predictor, images);
            const decoded = await decodeArchive(predictor, archive);
            expect(decoded.flatMap((image) => [...image.pixels])).toEqual([...pixels]);
            expect(archive.length).toBeLessThanOrEqual(packedLength(pixels.length, model.levels) + ARCHIVE_HEADER);

            const single = await encodeSingle(predictor, images[0]!);
            expect([...(await decodeArchive(predictor, single))[0]!.pixels]).toEqual([...images[0]!.pixels]);
            expect(single.length).toBeLessThanOrEqual(packedLength(perImage, model.levels) + 24);

            const stream = await encodeStream(predictor, pixels, size);
            expect([...(await decodeStream(predictor, stream, size))]).toEqual([...pixels]);
            const score = await scoreOf(predictor, pixels, size);
            expect(8 * stream.length - score).toBeLessThan(9 + 2e-5 * pixels.length);
          },
        ),
        { numRuns: 120 },
      );
    },
  );

  test("for mixed sizes in any order with names and labels", async () => {
    const predictor = await contextPredictor({ levels: 4 });
    const shapes = fc.array(
      fc.tuple(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 3 }),
        fc.option(fc.string({ unit: "grapheme" })),
        fc.option(fc.nat(2 ** 32 - 1)),
      ),
      {
        minLength: 1,
        maxLength: 30,
      },
    );
    await fc.assert(
      fc.asyncProperty(
        shapes,
        fc.integer({ min: 1, max: 8 }),
        fc.string({ unit: "grapheme" }),
        async (list, groupSize, notes) => {
          const images = await Promise.all(
            list.map(async ([height, width, name, label], i) => ({
              height,
              width,
              name: name ?? undefined,
              label: label ?? undefined,
              pixels: await makePixels(predictor, { count: 1, height, width }, "random", i),
            })),
          );
          const bytes = await encodeImages(predictor, images, { groupSize, notes });
          const decoded = await decodeArchive(predictor, bytes);
          expect(
            decoded.map(({ pixels, label, height, width }) => ({ pixels: [...pixels], label, height, width })),
          ).toEqual(images.map(({ pixels, label, height, width }) => ({ pixels: [...pixels], label, height, width })));
          const archive = openPxc(bytes) as Archive;
          expect(archive.header.notes).toBe(notes);
          const order = archive.order ?? images.map((_, i) => i);
          if (archive.names) expect(archive.names).toEqual(Array.from(order, (i) => images[i]!.name ?? ""));
          // The same images give the same bytes: the encoder has no choice left.
          expect(await encodeImages(predictor, images, { groupSize, notes })).toEqual(bytes);
        },
      ),
      { numRuns: 60 },
    );
  });
});

test("a stream is at most 4 bits above the float64 score on average", async () => {
  for (const levels of [2, 256]) {
    const predictor = await contextPredictor({ levels });
    let excess = 0;
    const runs = levels === 2 ? 300 : 60;
    for (let seed = 0; seed < runs; seed++) {
      const size = { count: 1, height: 10, width: 10 + (seed % 7) };
      const pixels = await makePixels(predictor, size, "sampled", seed);
      excess += 8 * (await encodeStream(predictor, pixels, size)).length - (await scoreOf(predictor, pixels, size));
    }
    expect(excess / runs).toBeLessThan(4);
    expect(excess / runs).toBeGreaterThan(0);
  }
});

test("the least likely level at every sub-pixel is stored, and a mixed group stores just what would grow", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
      fc.constantFrom(2, 5, 256),
      async (unlikely, levels) => {
        const predictor = await contextPredictor({ levels });
        const images = await Promise.all(
          unlikely.map(async (is, i) => ({
            height: 8,
            width: 9,
            pixels: await makePixels(predictor, { count: 1, height: 8, width: 9 }, is ? "unlikely" : "constant", i),
          })),
        );
        const bytes = await encodeImages(predictor, images);
        expect(readGroup(openPxc(bytes) as Archive, 0).stored).toEqual(unlikely);
        expect((await decodeArchive(predictor, bytes)).map(({ pixels }) => [...pixels])).toEqual(
          images.map(({ pixels }) => [...pixels]),
        );
      },
    ),
    { numRuns: 30 },
  );
});
