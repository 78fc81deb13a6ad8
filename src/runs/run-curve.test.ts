/** A run's curve out of its log, and the charts that it is made of. */

import { expect, test } from "vitest";
import { histogramSvg } from "../pictures/chart.ts";
import { smoothed } from "./log-entries.ts";
import { curveOf } from "./run-curve.ts";

const step = (n: number, loss: number): string => JSON.stringify({ type: "step", step: n, loss, seconds: 60 * n });
const tested = (n: number, nats: number, images: number): string =>
  JSON.stringify({ type: "evaluation", step: n, nats, images, seconds: 60 * n });
const points = (path: string | undefined): number => path?.split("L").length ?? 0;
const paths = (svg: string): string[] =>
  [...svg.matchAll(/<path d="(M[\d.]+ [\d.]+(?:L[\d. ]+)+)"/g)].map(([, d]) => d!);

test("two lines of losses, each and their average, and one of tests with a dot each", () => {
  const log = [step(1, 9), step(2, 7), tested(2, 6, 10), step(3, 6), tested(3, 5, 10)].join("\n");
  const svg = curveOf(`${log}\n`, "nats an image")!;
  expect(paths(svg).map(points)).toEqual([3, 3, 2]);
  expect(svg.match(/<circle/g)).toHaveLength(2);
  expect(svg).toContain("nats an image");
});

test("a test on more images than the first is a ring, and no point of the line", () => {
  const log = [step(1, 9), tested(1, 8, 10), step(2, 7), tested(2, 6, 10), step(3, 6), tested(3, 7, 100)].join("\n");
  const svg = curveOf(log, "nats")!;
  expect(paths(svg).map(points)).toEqual([3, 3, 2]);
  expect(svg).toContain('fill="#fff" stroke="#d55e00"');
  expect(svg).toContain("ring: on more images");
  const resumed = curveOf([log, step(4, 5), tested(4, 5, 10)].join("\n"), "nats")!;
  expect(paths(resumed).map(points)).toEqual([4, 4, 3]);
  expect(resumed.match(/fill="#fff" stroke="#d55e00"/g)).toHaveLength(1);
});

test("what a crash lost and a resumed run did again counts once; half a line does not count", () => {
  const log = [step(1, 9), step(2, 8), step(3, 7), step(2, 6), step(3, 5), '{"type":"step","st'].join("\n");
  expect(paths(curveOf(log, "nats")!).map(points)).toEqual([3, 3]);
});

test("a log of an earlier version calls its loss nats; fewer than two steps draw nothing", () => {
  const old = (n: number): string => JSON.stringify({ type: "step", step: n, nats: 9 - n, seconds: n });
  expect(curveOf([old(1), old(2)].join("\n"), "nats")).toContain("<svg");
  expect(curveOf(step(1, 9), "nats")).toBeNull();
  expect(curveOf("", "nats")).toBeNull();
});

test("a moving average begins at the first value, and lies between the values", () => {
  expect(smoothed([4, 4, 4], 0.9)).toEqual([expect.closeTo(4), expect.closeTo(4), expect.closeTo(4)]);
  const [first, second] = smoothed([0, 10], 0.5);
  expect([first, second]).toEqual([0, expect.closeTo(20 / 3)]);
  expect(smoothed([3, 1, 2], 0)).toEqual([3, 1, 2]);
});

test("a histogram's bars hold every value once, also where all are equal", () => {
  const heights = (values: readonly number[]): number =>
    [...histogramSvg("t", "bits", values).matchAll(/height="([\d.]+)" fill="#0072b2"/g)].filter(
      ([, h]) => Number(h) > 0,
    ).length;
  expect(heights([1, 2, 3, 4])).toBe(4);
  expect(heights([5, 5, 5])).toBe(1);
  expect(heights([7])).toBe(1);
  expect(histogramSvg("t", "bits", [1, 2])).toContain("2 images");
});
