import { expect, test } from "vitest";
import { checkDataset } from "../../test/data/check-dataset.ts";
import {
  asSplit,
  binariseStochastically,
  concatenate,
  type Dataset,
  datasetFromArrays,
  imagesOf,
  quantise,
  splitBySeed,
  subset,
  threshold,
} from "./dataset.ts";

const shape = { height: 2, width: 3, channels: 1, levels: 256, classes: ["a", "b"] };
function some(length: number, split = "train"): Dataset {
  const pixels = Uint8Array.from({ length: length * 6 }, (_, i) => (i * 37) % 256);
  const labels = Array.from({ length }, (_, i) => i % 2);
  return datasetFromArrays({ name: "some", split, ...shape }, pixels, labels);
}

test("data sets from arrays and every transform keep the laws", async () => {
  const whole = some(40);
  await checkDataset(whole);
  await checkDataset(quantise(whole, 5));
  await checkDataset(threshold(whole));
  await checkDataset(binariseStochastically(whole, 3));
  await checkDataset(subset(whole, [7, 3, 30]));
  const { train, test: tests } = splitBySeed(whole, { seed: 1, testFraction: 0.25 });
  await checkDataset(train);
  await checkDataset(tests);
  await checkDataset(
    concatenate("both", "all", [
      some(4),
      datasetFromArrays({ name: "more", split: "test", ...shape }, new Uint8Array(12)),
    ]),
  );
});

test("quantise is floor(v K / 256), and to 2 levels it is the threshold at 127", async () => {
  const all = datasetFromArrays(
    { name: "all", split: "train", ...shape, height: 16, width: 16 },
    Uint8Array.from({ length: 256 }, (_, v) => v),
  );
  for (const levels of [2, 3, 17, 256]) {
    const { pixels } = await quantise(all, levels).batch([0]);
    expect([...pixels]).toEqual(Array.from({ length: 256 }, (_, v) => Math.floor((v * levels) / 256)));
  }
  expect(await quantise(all, 2).batch([0])).toEqual(await threshold(all).batch([0]));
});

test("a stochastic binarisation is named by seed, epoch and index", async () => {
  const grey = datasetFromArrays(
    { name: "grey", split: "train", ...shape, height: 100, width: 100 },
    new Uint8Array(20000).fill(51),
  );
  const drawn = binariseStochastically(grey, 7);
  const [a, b] = [await drawn.batch([0, 1], { epoch: 1 }), await drawn.batch([0, 1], { epoch: 2 })];
  expect(await drawn.batch([0, 1], { epoch: 1 })).toEqual(a);
  expect(a.pixels).not.toEqual(b.pixels);
  expect(a.pixels.subarray(0, 10000)).not.toEqual(a.pixels.subarray(10000));
  expect((await binariseStochastically(grey, 8).batch([0, 1], { epoch: 1 })).pixels).not.toEqual(a.pixels);
  // p = 51 / 255 = 0.2; five standard deviations of the mean of 20,000 draws are 0.014.
  expect(Math.abs(a.pixels.reduce((x, y) => x + y) / 20000 - 0.2)).toBeLessThan(0.014);
  // The first draws are pinned: they must not change from one release to the next.
  expect([...a.pixels.subarray(0, 40)].join("")).toMatchInlineSnapshot(`"0000000000101100000000001010001110100000"`);
});

test("0 is never drawn as 1, and 255 always", async () => {
  const ends = datasetFromArrays({ name: "ends", split: "train", ...shape }, new Uint8Array([0, 255, 0, 255, 0, 255]));
  for (let epoch = 0; epoch < 200; epoch++) {
    expect([...(await binariseStochastically(ends, 1).batch([0], { epoch })).pixels]).toEqual([0, 1, 0, 1, 0, 1]);
  }
});

test("the test split is binarised once and for all, whatever the epoch", async () => {
  const drawn = binariseStochastically(some(8, "test"), 7);
  expect(await drawn.batch([0, 1, 2], { epoch: 5 })).toEqual(await drawn.batch([0, 1, 2]));
});

test("a subset of a binarisation keeps the draws of the whole", async () => {
  const drawn = binariseStochastically(some(20), 7);
  const part = subset(subset(drawn, { from: 5 }), [3, 9]);
  expect(await part.batch([0, 1], { epoch: 4 })).toEqual(await drawn.batch([8, 14], { epoch: 4 }));
  expect(part.nameOf(1)).toBe("some/train/14");
});

test("a split by seed is fixed, disjoint and complete, and differs for another seed", () => {
  const whole = some(50);
  const namesOf = (d: Dataset): string[] => Array.from({ length: d.length }, (_, i) => d.nameOf(i));
  const one = splitBySeed(whole, { seed: 1, testFraction: 0.1 });
  expect([one.train.split, one.test.split, one.test.length]).toEqual(["train", "test", 5]);
  expect([...namesOf(one.train), ...namesOf(one.test)].sort()).toEqual(namesOf(whole).sort());
  expect(namesOf(splitBySeed(whole, { seed: 1, testFraction: 0.1 }).test)).toEqual(namesOf(one.test));
  expect(namesOf(splitBySeed(whole, { seed: 2, testFraction: 0.1 }).test)).not.toEqual(namesOf(one.test));
  expect(() => splitBySeed(some(1), { seed: 1, testFraction: 0.5 })).toThrow("expected at least 2 images");
  expect(() => splitBySeed(whole, { seed: 1, testFraction: 1 })).toThrow(
    "expected a number between 0 and 1 for testFraction but received 1",
  );
});

test("a concatenation of unlike data sets names both", () => {
  expect(() => concatenate("both", "all", [some(2), quantise(some(2), 4)])).toThrow(
    "expected 2x3x1, 256 levels, classes a b (some train) for both but received 2x3x1, 4 levels, classes a b (some " +
      "train)",
  );
});

test("arrays that do not fit are refused", () => {
  expect(() => datasetFromArrays({ name: "odd", split: "train", ...shape }, new Uint8Array(7))).toThrow(
    "expected a multiple of 2x3x1 = 6 pixels",
  );
  expect(() => datasetFromArrays({ name: "odd", split: "train", ...shape }, new Uint8Array(6), [1, 2])).toThrow(
    "expected 1 labels",
  );
  expect(() =>
    datasetFromArrays({ name: "odd", split: "train", ...shape, levels: 2 }, new Uint8Array(6).fill(2)),
  ).toThrow("expected pixels from 0 to 1 for odd but received 2 in image 0");
  expect(() => quantise(quantise(some(2), 4), 2)).toThrow(
    "expected 256 levels to quantise from but received 4 levels, for some",
  );
  expect(() => subset(some(4), [1, 1])).toThrow("expected each index at most once");
  expect(() => subset(some(4), { to: 5 })).toThrow("expected an integer from 0 to 4 for to but received 5");
});

test("a data set that is a class with getters can be wrapped", async () => {
  const inner = some(10);
  class Mine implements Dataset {
    readonly name = "mine";
    readonly split = "train";
    readonly height = 2;
    readonly width = 3;
    readonly channels = 1;
    readonly levels = 256;
    readonly classes = null;
    get length(): number {
      return inner.length;
    }
    nameOf(index: number): string {
      return `${this.name}-${index}`;
    }
    async batch(indices: ArrayLike<number>) {
      const batch = await inner.batch(indices);
      return { ...batch, labels: new Int32Array(batch.size).fill(-1) };
    }
    images(indices: ArrayLike<number>) {
      return imagesOf(this, indices);
    }
  }
  const wrapped = asSplit(subset(quantise(new Mine(), 4), { from: 2 }), "test");
  await checkDataset(wrapped);
  expect(wrapped.nameOf(0)).toBe("mine-2");
  await wrapped.close?.();
});
