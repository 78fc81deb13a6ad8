import fc from "fast-check";
import { expect, test } from "vitest";
import { checkDataset } from "../../test/data/check-dataset.ts";
import {
  asSplit,
  binariseStochastically,
  concatenate,
  type Dataset,
  datasetFromArrays,
  quantise,
  splitBySeed,
  subset,
  threshold,
} from "./dataset.ts";
import { withVectors } from "./with-vectors.ts";

const SIZE = 3;
const shape = { height: 1, width: 2, channels: 1, levels: 256, classes: ["even", "odd"] };
const everything = (d: Dataset): number[] => Array.from({ length: d.length }, (_, i) => i);

/**
 * Images whose pixel, label, captions, name and every variant of whose vector say which image it is: `first` + its
 * index.
 */
function marked(length: number, split: string, counts: readonly number[] | null, seed = 1, first = 0): Dataset {
  const id = (i: number): number => first + i;
  const pixels = Uint8Array.from({ length: length * 2 }, (_, p) => id(p >> 1));
  const labels = Array.from({ length }, (_, i) => id(i) % 2);
  const captionsOf = (i: number): string[] => [`image ${id(i)}`, `also ${id(i)}`];
  const images = datasetFromArrays(
    { name: "marked", split, ...shape, captionsOf, nameOf: (i) => `marked/${id(i)}` },
    pixels,
    labels,
  );
  const offsets = [0];
  for (let i = 0; i < length; i++) offsets.push(offsets[i]! + (counts ? counts[i % counts.length]! : 1));
  const vectors = new Float32Array(offsets[length]! * SIZE);
  for (let i = 0; i < length; i++)
    for (let row = offsets[i]!; row < offsets[i + 1]!; row++)
      vectors.set([id(i) + 1, row - offsets[i]!, 1], row * SIZE);
  return withVectors(images, vectors, SIZE, counts ? { variants: { offsets, seed } } : {});
}

/** Every side of every image is of the same image, `ids[i]`. */
async function checkSides(dataset: Dataset, ids: readonly number[], pixelsTell = true): Promise<void> {
  const { pixels, labels, vectors } = await dataset.batch(everything(dataset), { epoch: 2 });
  expect(dataset.vectorSize).toBe(SIZE);
  ids.forEach((id, i) => {
    if (pixelsTell) expect(pixels[2 * i]).toBe(id);
    expect(labels[i]).toBe(id % 2);
    expect(dataset.labelOf!(i)).toBe(id % 2);
    expect(dataset.captionsOf!(i)).toEqual([`image ${id}`, `also ${id}`]);
    expect(dataset.nameOf(i)).toBe(`marked/${id}`);
    // All zeros: no variant.
    if (vectors![i * SIZE + 2] === 1) expect(vectors![i * SIZE]).toBe(id + 1);
    else expect([...vectors!.subarray(i * SIZE, (i + 1) * SIZE)]).toEqual([0, 0, 0]);
  });
}

const lengths = fc.integer({ min: 2, max: 20 });
const counts = fc.option(fc.array(fc.nat(4), { minLength: 1, maxLength: 5 }));
const splits = fc.constantFrom("train", "test", "all");

test("every wrapper keeps pixels, label, name, captions and vector of an image together", async () => {
  await fc.assert(
    fc.asyncProperty(lengths, counts, splits, fc.nat(), async (length, counts, split, seed) => {
      const whole = marked(length, split, counts);
      const ids = everything(whole);
      await checkSides(whole, ids);
      await checkSides(asSplit(whole, "test"), ids);
      await checkSides(quantise(whole, 7), ids, false);
      await checkSides(threshold(whole), ids, false);
      await checkSides(binariseStochastically(whole, seed), ids, false);
      const odd = ids.filter((i) => (i * 7 + seed) % 3 !== 0).reverse();
      await checkSides(subset(whole, odd), odd);
      const divided = splitBySeed(whole, { seed, testFraction: 0.3 });
      for (const part of [divided.train, divided.test]) {
        const inside = everything(part).map((i) => Number(part.nameOf(i).split("/")[1]));
        await checkSides(part, inside);
      }
      const both = concatenate("both", "all", [subset(whole, odd), marked(length, "test", counts, 1, 100)]);
      await checkSides(both, [...odd, ...ids.map((i) => 100 + i)]);
      await checkDataset(both);
    }),
    { numRuns: 40 },
  );
});

test(
  "a variant is drawn by seed, epoch and index on train alone, whatever the batch; elsewhere it is the " + "first",
  async () => {
    await fc.assert(
      fc.asyncProperty(lengths, counts, fc.nat(), fc.nat(1000), async (length, counts, seed, epoch) => {
        const train = marked(length, "train", counts, seed);
        const all = await train.batch(everything(train), { epoch });
        const last = await train.batch([length - 1], { epoch });
        expect(all.vectors!.subarray(-SIZE)).toEqual(last.vectors);
        const firsts = await marked(length, "test", counts, seed).batch(everything(train), { epoch });
        everything(train).forEach((i) => {
          expect(firsts.vectors![i * SIZE + 1]).toBe(0);
        });
      }),
    );
  },
);

test("each variant has its turn over the epochs, about as often, and another seed draws others", async () => {
  const drawn = async (seed: number): Promise<number[]> => {
    const train = marked(1, "train", [4], seed);
    const draws: number[] = [];
    for (let epoch = 0; epoch < 400; epoch++) draws.push((await train.batch([0], { epoch })).vectors![1]!);
    return draws;
  };
  const draws = await drawn(1);
  // Expected 100 each, standard deviation 8.7; five of them are 43.
  for (const variant of [0, 1, 2, 3])
    expect(Math.abs(draws.filter((v) => v === variant).length - 100), `variant ${variant}`).toBeLessThan(43);
  expect(await drawn(2)).not.toEqual(draws);
  // The first draws are pinned: they must not change from one release to the next.
  expect(draws.slice(0, 20).join("")).toMatchInlineSnapshot(`"31310213010122202033"`);
});

test("vectors that do not fit are refused", () => {
  const images = marked(3, "train", null);
  const attach = (numbers: number, offsets?: number[]): Dataset =>
    withVectors(images, new Float32Array(numbers), SIZE, offsets ? { variants: { offsets } } : {});
  expect(() => attach(6)).toThrow(
    "expected 3 x 3 = 9 numbers, a vector for each image of marked (train), but received 6",
  );
  expect(() => attach(12, [0, 1, 3])).toThrow(
    "expected 4 offsets from 0 to 4, the number of vectors, for marked but received 3 from 0 to 3",
  );
  expect(() => attach(12, [0, 3, 2, 4])).toThrow(
    "expected whole offsets that never fall for marked but received 3 and then 2 at image 1",
  );
  expect(() => withVectors(images, new Float32Array(0), 0)).toThrow(
    "expected an integer of at least 1 for the size of a vector",
  );
});

test("data sets of unlike vectors are not put together", () => {
  const bare = datasetFromArrays({ name: "bare", split: "train", ...shape }, new Uint8Array(4));
  expect(() => concatenate("both", "all", [marked(2, "train", null), bare])).toThrow(
    "classes even odd, vectors of 3 numbers (marked train) for both but received 1x2x1, 256 levels, classes even " +
      "odd (bare train)",
  );
});
