/** Random streams: uniform enough. Their numbers, names and states are in random.golden.test.ts. */

import { expect, test } from "vitest";
import { randomFrom } from "./random.ts";

test("below(n) takes every value equally often, also for an n that does not divide 2^32", () => {
  for (const n of [2, 3, 10, 256]) {
    const random = randomFrom(n, 1);
    const counts = new Array<number>(n).fill(0);
    for (let i = 0; i < n * 500; i++) counts[random.below(n)]!++;
    const statistic = counts.reduce((sum, c) => sum + (c - 500) ** 2 / 500, 0);
    // Mean n - 1, standard deviation sqrt(2 (n - 1)): within four of it.
    expect(statistic).toBeLessThan(n - 1 + 4 * Math.sqrt(2 * (n - 1)) + 6);
  }
  // 3 * 2^30 is where taking the rest of a division would favour the low values two to one.
  const large = randomFrom(8);
  let low = 0;
  for (let i = 0; i < 4000; i++) if (large.below(3 * 2 ** 30) < 2 ** 30) low++;
  expect(Math.abs(low - 4000 / 3)).toBeLessThan(4 * Math.sqrt((4000 * 2) / 9));
  expect(randomFrom(1).below(1)).toBe(0);
  expect(randomFrom(1).below(2 ** 32)).toBe(randomFrom(1).bits());
});

test("uniform is in [0, 1), fills it evenly, and has digits below 2^-32", () => {
  const random = randomFrom(6);
  const bins = new Array<number>(10).fill(0);
  let fine = 0;
  for (let i = 0; i < 10_000; i++) {
    const u = random.uniform();
    expect(u >= 0 && u < 1).toBe(true);
    bins[Math.floor(10 * u)]!++;
    if ((u * 2 ** 32) % 1 !== 0) fine++;
  }
  expect(fine).toBeGreaterThan(9_990);
  // Chi-square with 9 degrees of freedom, p = 0.001.
  expect(bins.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0)).toBeLessThan(27.9);
});

test("neighbouring names give streams that have nothing in common", () => {
  const first = Array.from({ length: 1000 }, (_, seed) => randomFrom(seed).uniform());
  const mean = first.reduce((a, b) => a + b) / 1000;
  expect(Math.abs(mean - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / 1000));
  expect(new Set(first).size).toBe(1000);
});
