/** The table that a chart draws: exact while it is small, evenly spaced while it is not, and no point alone is lost. */

import { expect, test } from "vitest";
import { chartTable, isExact } from "../../src/studio/chart-table.ts";

test("a small table has every point of every line, and nothing between", () => {
  const lines = [
    { x: [1, 3, 9], y: [5, 6, 7], joined: true },
    { x: [2, 3], y: [8, 9], joined: false },
  ];
  expect(chartTable(lines, false)).toEqual([
    [1, 2, 3, 9],
    [5, null, 6, 7],
    [null, 8, 9, null],
  ]);
  expect(chartTable([], false)).toEqual([[]]);
  expect(isExact(lines)).toBe(true);
});

test("a large table is evenly spaced, with values between points, and lone points at their nearest place", () => {
  const x = Array.from({ length: 1000 }, (_, i) => 10 * i);
  const joined = Array.from({ length: 60 }, () => ({ x, y: x.map((at) => 2 * at), joined: true }));
  const lines = [...joined, { x: [4321], y: [77], joined: false }];
  expect(isExact(lines)).toBe(false);
  const [places, ...values] = chartTable(lines, false);
  expect(places.length).toBe(1000);
  expect([places[0], places.at(-1)]).toEqual([0, 9990]);
  for (const [i, place] of places.entries()) expect(values[7]![i]).toBeCloseTo(2 * place, 6);
  const alone = values[60]!;
  expect(alone.filter((value) => value !== null)).toEqual([77]);
  expect(Math.abs(places[alone.indexOf(77)]! - 4321)).toBeLessThanOrEqual(5);
});

test("on a logarithmic axis places grow by one factor", () => {
  const x = Array.from({ length: 2000 }, (_, i) => i + 1);
  const lines = Array.from({ length: 30 }, () => ({ x, y: x, joined: true }));
  const [places, values] = chartTable(lines, true);
  expect(places[1]! / places[0]!).toBeCloseTo(places[501]! / places[500]!, 9);
  expect(values![500]).toBeCloseTo(places[500]!, 6);
  expect([places.at(-1), values!.at(-1)]).toEqual([2000, 2000]);
});
