/** The kernel's step from a mixture of logistics to the levels' log-weights: bits, and what they are worth. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { mixtureLogProbabilities } from "../models/heads/naive-mixture.test-support.ts";
import { randomFrom } from "../random.ts";
import { binEdges, binsWords, FIRST_ADDRESS } from "./descriptions.ts";
import { createKernel } from "./kernel.ts";
import { mixtureLogWeights } from "./reference.ts";

const BYTES = 1 << 17;
const kernels = [createKernel("wasm", BYTES), createKernel("reference", BYTES)] as const;
const [OF, SEEN, EDGES, OUT] = [16 << 10, 48 << 10, 56 << 10, 64 << 10];

const number = fc
  .oneof(
    { weight: 8, arbitrary: fc.float({ min: -3, max: 3, noNaN: true }) },
    { weight: 2, arbitrary: fc.float({ min: -40, max: 40, noNaN: true }) },
    fc.float(),
    fc.constantFrom(0, -0, 1e-45, 3.4028235e38, -3.4028235e38, Infinity, -Infinity, NaN, 7, -7),
  )
  .map(Math.fround);

test("bins of any floats have the reference's bits, for any levels, components, channels before and rows", () => {
  const shape = fc.record({
    levels: fc.integer({ min: 2, max: 20 }).chain((k) => fc.constantFrom(k, k, 255, 256)),
    components: fc.integer({ min: 1, max: 5 }),
    before: fc.integer({ min: 0, max: 3 }),
    first: fc.integer({ min: 0, max: 2 }),
    rows: fc.integer({ min: 1, max: 3 }),
    stream: fc.infiniteStream(number),
  });
  fc.assert(
    fc.property(shape, ({ levels, components, before, first, rows, stream }) => {
      const outputs = (3 + before) * components;
      const stride = 4 * (Math.ceil(levels / 8) * 8);
      const take = (n: number): number[] => Array.from({ length: n }, () => stream.next().value as number);
      const given = take((first + rows) * outputs);
      const seen = take((first + rows) * 3);
      const [wasm, reference] = kernels.map((kernel) => {
        new Uint8Array(kernel.memory).fill(0, FIRST_ADDRESS);
        const floats = new Float32Array(kernel.memory);
        floats.set(given, OF >> 2);
        floats.set(seen, SEEN >> 2);
        floats.set(binEdges(levels), EDGES >> 2);
        const words = binsWords({
          out: OUT,
          outStride: stride,
          of: OF,
          stride: 4 * outputs,
          seen: SEEN,
          seenStride: 12,
          components,
          before,
          levels,
          edges: EDGES,
        });
        new Uint32Array(kernel.memory).set(words, FIRST_ADDRESS >> 2);
        kernel.bins(FIRST_ADDRESS, first, rows);
        return Array.from({ length: rows }, (_, row) => [
          ...floats.slice((OUT + (first + row) * stride) >> 2).subarray(0, levels),
        ]).flat();
      });
      expect(wasm).toEqual(reference);
    }),
    { numRuns: 300 },
  );
});

const weigh = (levels: number, components: number, outputs: number[], seen: number[] = []): Float32Array =>
  mixtureLogWeights({ levels, components, outputs: Float32Array.from(outputs), seen, edges: binEdges(levels) });

test("log-weights are the naive log-probabilities, from narrow to wide and with means inside and far outside", () => {
  const random = randomFrom(1);
  const between = (low: number, high: number): number => Math.fround(low + (high - low) * random.uniform());
  for (const levels of [2, 3, 16, 256])
    for (let run = 0; run < 40; run++) {
      const M = 1 + random.below(4);
      const list = (low: number, high: number): number[] => Array.from({ length: M }, () => between(low, high));
      const far = run % 4 === 0 ? 20 : 1.1;
      const outputs = [...list(-3, 3), ...list(-far, far), ...list(-6, 7), ...list(-2, 2)];
      const seen = [between(-1, 1)];
      const weights = weigh(levels, M, outputs, seen);
      const total = Math.log(weights.reduce((sum, l) => sum + Math.exp(l), 0));
      const found = Array.from(weights, (l) => l - total);
      const expected = mixtureLogProbabilities({ levels, components: M, outputs, seen });
      for (const [k, logP] of expected.entries()) {
        // z is a float32 number times 1 / scale: up to 400 there, 2^-24 of it, and the tails fall by e a unit.
        if (logP > -15) expect(Math.abs(found[k]! - logP), `${levels} ${outputs} ${k}`).toBeLessThan(3e-4);
        else expect(found[k]).toBeLessThan(-14.9);
      }
    }
});

test("the weights of all levels sum to 1 from a scale of 1e-4 to one of 1e4, wherever the mean is", () => {
  for (const levels of [2, 5, 256])
    for (const scale of [1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1e3, 1e4])
      for (const mean of [-1e6, -3, -1, -0.3, 0, 0.123, 0.5, 1, 2, 1e6]) {
        const weights = weigh(levels, 1, [0.7, mean, Math.log(scale)]);
        const total = weights.reduce((sum, l) => sum + Math.exp(l), 0);
        expect(Math.abs(total - 1), `${levels} levels, scale ${scale}, mean ${mean}`).toBeLessThan(3e-5);
      }
});

test("the first and the last level absorb what lies beyond them", () => {
  for (const [mean, level] of [
    [-1e6, 0],
    [-5, 0],
    [5, 255],
    [1e6, 255],
  ] as const) {
    const weights = weigh(256, 1, [0, mean, -3]);
    expect(weights[level]).toBeCloseTo(0, 6);
    expect(weights.filter((_, k) => k !== level).every((l) => l < -15)).toBe(true);
  }
  // A scale of 1000: nearly all of it lies beyond either end.
  const wide = weigh(256, 1, [0, 0, 6.9]);
  expect(Math.exp(wide[0]!)).toBeCloseTo(0.5, 3);
  expect(Math.exp(wide[255]!)).toBeCloseTo(0.5, 3);
});

test("a NaN among the outputs, an infinite mean or a weight that overflows gives NaN: the engine refuses it", () => {
  const good = [0, 0, 0.5, -0.5, -1, -1];
  for (const [at, bad] of [
    [0, NaN],
    [2, NaN],
    [4, NaN],
    [1, Infinity],
    [3, -Infinity],
  ] as const)
    expect(weigh(4, 2, good.with(at, bad)).some(Number.isNaN)).toBe(true);
});
