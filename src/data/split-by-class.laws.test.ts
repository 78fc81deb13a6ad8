import fc from "fast-check";
import { expect, test } from "vitest";
import { checkDataset } from "../../test/data/check-dataset.ts";
import { type Dataset, datasetFromArrays, datasetOf } from "./dataset.ts";
import { labelsOf, splitByClass } from "./split-by-class.ts";

const people = (labels: readonly number[], count = 12): Dataset =>
  datasetFromArrays(
    {
      name: "people",
      split: "all",
      height: 1,
      width: 1,
      channels: 1,
      levels: 256,
      classes: Array.from({ length: count }, (_, i) => `person ${i}`),
    },
    Uint8Array.from(labels, (_, i) => i),
    labels,
  );
const namesOf = (d: Dataset): string[] => Array.from({ length: d.length }, (_, i) => d.nameOf(i));

const labelLists = fc.array(fc.nat(11), { minLength: 2, maxLength: 40 }).filter((labels) => new Set(labels).size > 1);
const fractions = fc.double({ min: 0.01, max: 0.99, noNaN: true });

test("no class is in both splits, together they are the whole, and each keeps its order", async () => {
  await fc.assert(
    fc.asyncProperty(labelLists, fc.nat(), fractions, async (labels, seed, testFraction) => {
      const whole = people(labels);
      const { train, test: tests } = await splitByClass(whole, { seed, testFraction });
      const [ours, theirs] = [new Set(await labelsOf(train)), new Set(await labelsOf(tests))];
      expect([...ours].filter((label) => theirs.has(label))).toEqual([]);
      expect(Math.min(train.length, tests.length)).toBeGreaterThan(0);
      const names = namesOf(whole);
      expect([...namesOf(train), ...namesOf(tests)].sort()).toEqual([...names].sort());
      for (const half of [train, tests]) {
        const places = namesOf(half).map((name) => names.indexOf(name));
        expect(places).toEqual([...places].sort((a, b) => a - b));
      }
      expect([train.split, tests.split, train.classes, tests.classes]).toEqual([
        "train",
        "test",
        whole.classes,
        whole.classes,
      ]);
      expect(namesOf((await splitByClass(whole, { seed, testFraction })).test)).toEqual(namesOf(tests));
    }),
  );
});

test("the fraction is of the classes, not of the images, and the seed draws them", async () => {
  const labels = Array.from({ length: 400 }, (_, i) => Math.floor(i / 10));
  const of = async (seed: number, testFraction: number): Promise<number[]> => [
    ...new Set(await labelsOf((await splitByClass(people(labels, 40), { seed, testFraction, draw: "order" })).test)),
  ];
  expect(await of(1, 0.1)).toHaveLength(4);
  expect(await of(1, 0.001)).toHaveLength(1);
  expect(await of(1, 0.999)).toHaveLength(39);
  expect(await of(2, 0.1)).not.toEqual(await of(1, 0.1));
  // Pinned: a run's test persons must not change from one release to the next.
  expect(await of(1, 0.1)).toMatchInlineSnapshot(`
    [
      23,
      25,
      28,
      30,
    ]
  `);
});

test("by name, a class that comes or goes moves no other, and the draw is pinned", async () => {
  const labels = Array.from({ length: 400 }, (_, i) => Math.floor(i / 10));
  const of = async (count: number): Promise<number[]> => {
    const whole = people(labels.slice(0, 10 * count), 40);
    return [...new Set(await labelsOf((await splitByClass(whole, { seed: 1, testFraction: 0.2 })).test))];
  };
  const all = await of(40);
  // Pinned: a run's test persons must not change from one release to the next.
  expect(all).toEqual([1, 2, 3, 4, 9, 16, 17, 34]);
  for (const count of [39, 30, 20, 12]) expect(await of(count)).toEqual(all.filter((label) => label < count));
});

test("both halves keep the laws, also where labels are known only by reading", async () => {
  const inner = people([0, 1, 2, 0, 1, 2, 5, 5]);
  const { labelOf: _, ...parts } = inner;
  const read = datasetOf(parts, async (indices, pixels, labels) => {
    const batch = await inner.batch(indices);
    pixels.set(batch.pixels);
    labels.set(batch.labels);
  });
  for (const whole of [inner, read]) {
    const { train, test: tests } = await splitByClass(whole, { seed: 3, testFraction: 0.3 });
    await checkDataset(train);
    await checkDataset(tests);
  }
  expect(await labelsOf(read)).toEqual(await labelsOf(inner));
});

test("what cannot be divided by class says why", async () => {
  const options = { seed: 1, testFraction: 0.5 };
  await expect(splitByClass({ ...people([0, 1]), classes: null }, options)).rejects.toThrow(
    "expected classes to divide people by, such as subfolders, but it has none",
  );
  await expect(splitByClass(people([0, -1, 1, -1]), options)).rejects.toThrow(
    "expected a class for every image of people, which is divided by class, but 2 of 4 have none, people/all/1 for one",
  );
  await expect(splitByClass(people([3, 3, 3]), options)).rejects.toThrow(
    "expected images of at least 2 classes to divide people by class but received 1",
  );
  await expect(splitByClass(people([0, 1]), { seed: 1, testFraction: 0 })).rejects.toThrow(
    "expected a number between 0 and 1 for testFraction but received 0",
  );
});
