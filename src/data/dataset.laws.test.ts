import fc from "fast-check";
import { expect, test } from "vitest";
import { binariseStochastically, type Dataset, datasetFromArrays, quantise, splitBySeed, subset } from "./dataset.ts";

/** Data sets of 2 to 12 images of up to 3 x 3 x 3. */
const datasets = fc
  .record({
    length: fc.integer({ min: 2, max: 12 }),
    height: fc.integer({ min: 1, max: 3 }),
    width: fc.integer({ min: 1, max: 3 }),
  })
  .chain(({ length, height, width }) =>
    fc
      .uint8Array({ minLength: length * height * width * 3, maxLength: length * height * width * 3 })
      .map((pixels) =>
        datasetFromArrays(
          { name: "any", split: "train", height, width, channels: 3, levels: 256, classes: null },
          pixels,
        ),
      ),
  );
const everything = (d: Dataset): number[] => Array.from({ length: d.length }, (_, i) => i);

test("a subset of a subset is the subset of the composed indices", async () => {
  await fc.assert(
    fc.asyncProperty(datasets, fc.nat(), fc.nat(), async (dataset, a, b) => {
      const outer = everything(dataset).filter((i) => (i * 7 + a) % 3 !== 0);
      const inner = outer.map((_, i) => i).filter((i) => (i * 5 + b) % 2 === 0);
      const twice = subset(subset(dataset, outer), inner);
      const once = subset(
        dataset,
        inner.map((i) => outer[i]!),
      );
      expect(await twice.batch(everything(twice))).toEqual(await once.batch(everything(once)));
    }),
  );
});

test("subset and quantise commute", async () => {
  await fc.assert(
    fc.asyncProperty(datasets, fc.integer({ min: 2, max: 256 }), async (dataset, levels) => {
      const range = { from: 1 };
      const a = subset(quantise(dataset, levels), range);
      const b = quantise(subset(dataset, range), levels);
      expect(await a.batch(everything(a))).toEqual(await b.batch(everything(b)));
    }),
  );
});

test("a draw depends on seed, epoch and index alone, not on the batch", async () => {
  await fc.assert(
    fc.asyncProperty(datasets, fc.nat(), fc.nat(), async (dataset, seed, epoch) => {
      const drawn = binariseStochastically(dataset, seed);
      const all = await drawn.batch(everything(dataset), { epoch });
      const last = await drawn.batch([dataset.length - 1], { epoch });
      expect(all.pixels.subarray(-last.pixels.length)).toEqual(last.pixels);
    }),
  );
});

test("train and test never share an image and together are the whole", () => {
  fc.assert(
    fc.property(datasets, fc.nat(), fc.double({ min: 0.01, max: 0.99, noNaN: true }), (dataset, seed, testFraction) => {
      const { train, test: tests } = splitBySeed(dataset, { seed, testFraction });
      const names = [train, tests].flatMap((d) => everything(d).map((i) => d.nameOf(i)));
      expect(new Set(names).size).toBe(dataset.length);
      expect(names).toHaveLength(dataset.length);
      expect(Math.min(train.length, tests.length)).toBeGreaterThan(0);
    }),
  );
});
