/** A split by name: images stay where they are while others come and go. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { datasetFromArrays } from "./dataset.ts";
import { splitByName } from "./split-by-name.ts";

const named = (names: readonly string[], name = "photos") =>
  datasetFromArrays(
    { name, split: "all", height: 1, width: 1, channels: 1, levels: 2, classes: null, nameOf: (i) => names[i]! },
    new Uint8Array(names.length),
  );
const testsOf = (names: readonly string[], seed: number, testFraction: number): Set<string> => {
  const { train, test: tests } = splitByName(named(names), { seed, testFraction });
  expect(train.length + tests.length).toBe(names.length);
  return new Set(Array.from({ length: tests.length }, (_, i) => tests.nameOf(i)));
};
const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `a/${i}.png`);

test("an image that is added or gone moves no other, whatever the names and the seed", () => {
  const names = fc.uniqueArray(fc.string({ minLength: 1, unit: "grapheme" }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(names, fc.nat(), (added, seed) => {
      const old = numbered(100).filter((name) => !added.includes(name));
      const before = testsOf(old, seed, 0.3);
      const after = testsOf([...added.filter((name) => !old.includes(name)), ...old.slice(3)], seed, 0.3);
      for (const name of old.slice(3)) expect(after.has(name)).toBe(before.has(name));
    }),
    { numRuns: 50 },
  );
});

test("about the fraction that was asked for, and another draw for another seed", () => {
  const names = numbered(10_000);
  const [one, two] = [testsOf(names, 1, 0.1), testsOf(names, 2, 0.1)];
  expect(Math.abs(one.size - 1000)).toBeLessThan(100);
  const both = [...one].filter((name) => two.has(name)).length;
  expect(both).toBeLessThan(200);
});

test("the folder's own name does not count, nor does the form of a letter", () => {
  const names = numbered(200);
  const under = (folder: string) =>
    splitByName(
      named(
        names.map((name) => `${folder}/${name}`),
        folder,
      ),
      { seed: 1, testFraction: 0.2 },
    );
  const tail = (name: string): string => name.split("/").slice(-1)[0]!;
  const of = (folder: string): string[] => {
    const { test: tests } = under(folder);
    return Array.from({ length: tests.length }, (_, i) => tail(tests.nameOf(i)));
  };
  expect(of("here")).toEqual(of("there"));
  const [composed, apart] = ["é".normalize("NFC"), "é".normalize("NFD")];
  const umlauts = (letter: string): string[] => names.map((_, i) => `${letter}${i}`);
  const [first, second] = [testsOf(umlauts(composed), 1, 0.2), testsOf(umlauts(apart), 1, 0.2)];
  expect([...first].map((name) => name.normalize("NFD"))).toEqual([...second]);
});

test("neither split is ever empty, and fewer than two images cannot be divided", () => {
  for (let seed = 0; seed < 50; seed++) {
    expect(testsOf(["a", "b"], seed, 0.01).size).toBe(1);
    expect(testsOf(["a", "b"], seed, 0.99).size).toBe(1);
  }
  expect(() => splitByName(named(["a"]), { seed: 1, testFraction: 0.5 })).toThrow(
    "expected at least 2 images to divide into train and test for photos but received 1",
  );
});
