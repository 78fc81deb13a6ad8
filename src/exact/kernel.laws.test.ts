/** The WebAssembly kernel against the TypeScript reference, to the bit, over all sorts of floats and shapes. */

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  cellWords,
  elementwiseWords,
  FIRST_ADDRESS,
  frequencyWords,
  type Kernel,
  PANEL,
  productWords,
} from "./descriptions.ts";
import { createKernel } from "./kernel.ts";
import { cumulativeFrequencies } from "./reference.ts";

const BYTES = 1 << 20;
const kernels = [createKernel("wasm", BYTES), createKernel("reference", BYTES)] as const;

/** Any float32: the usual range most often, but also huge, tiny, denormal, zeros of both signs, infinities and NaN. */
const anyFloat = fc
  .oneof(
    { weight: 4, arbitrary: fc.float({ min: -4, max: 4 }) },
    { weight: 2, arbitrary: fc.float({ min: -100, max: 100 }) },
    fc.float(),
    fc.constantFrom(
      0,
      -0,
      1e-45,
      -1e-45,
      1.1754942e-38,
      -3e-39,
      3.4028235e38,
      -3.4028235e38,
      Infinity,
      -Infinity,
      NaN,
      87,
      -87,
      88,
      9,
      -9,
      0.625,
      -20,
    ),
  )
  .map(Math.fround);

const finite = anyFloat.map((x) => (Number.isFinite(x) ? x : 1));

/** Bits of float32 numbers; every NaN is one value, since WebAssembly leaves a NaN's bits open. */
function bits(memory: ArrayBuffer, at: number, count: number): Uint32Array {
  const floats = new Float32Array(memory, at, count);
  return new Uint32Array(memory.slice(at, at + 4 * count)).map((word, i) =>
    Number.isNaN(floats[i]) ? 0x7fc00000 : word,
  );
}

/** Runs the same call on both kernels, from the same memory, and compares `count` floats at `at`. */
function expectSame(
  fill: (floats: Float32Array, words: Uint32Array) => void,
  call: (kernel: Kernel) => void,
  at: number,
  count: number,
): void {
  const [wasm, reference] = kernels.map((kernel) => {
    new Uint8Array(kernel.memory).fill(0, FIRST_ADDRESS);
    fill(new Float32Array(kernel.memory), new Uint32Array(kernel.memory));
    call(kernel);
    return bits(kernel.memory, at, count);
  });
  expect(wasm).toEqual(reference);
}

const IN = 64 << 10;
const OUT = 128 << 10;

test.each(["exp", "log", "tanh", "logistic"] as const)("%s of any float has the reference's bits", (name) => {
  fc.assert(
    fc.property(fc.array(anyFloat, { minLength: 1, maxLength: 64 }), (values) => {
      const count = Math.ceil(values.length / 4) * 4;
      expectSame(
        (floats) => floats.set(values, IN >> 2),
        (kernel) => kernel[name](IN, OUT, count),
        OUT,
        count,
      );
    }),
    { numRuns: 300 },
  );
});

test("a gate of any floats has the reference's bits, at any width and rows", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 1, max: 4 }),
      fc.infiniteStream(anyFloat),
      (quads, first, rows, stream) => {
        const width = 4 * quads;
        const count = (first + rows) * 2 * width;
        const values = [...stream.take(count)];
        expectSame(
          (floats, words) => {
            floats.set(values, IN >> 2);
            words.set(
              elementwiseWords({
                out: OUT,
                outStride: 4 * width,
                of: IN,
                stride: 8 * width,
                width,
              }),
              FIRST_ADDRESS >> 2,
            );
          },
          (kernel) => kernel.gate(FIRST_ADDRESS, first, rows),
          OUT,
          (first + rows) * width,
        );
      },
    ),
    { numRuns: 300 },
  );
});

test("a cell of any floats has the reference's bits, its state and its memory, wherever its memory before lies", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom("a place of its own", "one line for all", "where the new one goes", "the row before"),
      fc.infiniteStream(anyFloat),
      (quads, first, rows, where, stream) => {
        const width = 4 * quads;
        const total = first + rows;
        const [BEFORE, MEMORY, stride] = [192 << 10, OUT + 4 * total * width, 4 * width];
        const before =
          { "the row before": MEMORY - stride, "where the new one goes": MEMORY }[where as string] ?? BEFORE;
        const take = (n: number): number[] => Array.from({ length: n }, () => stream.next().value as number);
        const parts: [number, number[]][] = [
          [IN, take(total * 4 * width)],
          [BEFORE, take(total * width)],
          [OUT, take(2 * total * width)],
        ];
        expectSame(
          (floats, words) => {
            for (const [at, values] of parts) floats.set(values, at >> 2);
            words.set(
              cellWords({
                out: OUT,
                outStride: stride,
                of: IN,
                stride: 4 * stride,
                width,
                before,
                beforeStride: where === "one line for all" ? 0 : stride,
                memory: MEMORY,
                memoryStride: stride,
              }),
              FIRST_ADDRESS >> 2,
            );
          },
          (kernel) => kernel.cell(FIRST_ADDRESS, first, rows),
          OUT,
          2 * total * width,
        );
      },
    ),
    { numRuns: 300 },
  );
});

test(
  "a cell is c = logistic(f) before + logistic(i) tanh(g), y = logistic(o) tanh(c), each operation rounded " + "once",
  () => {
    fc.assert(
      fc.property(fc.tuple(finite, finite, finite, finite, finite), ([o, f, i, g, before]) => {
        const [kernel] = kernels;
        const floats = new Float32Array(kernel.memory);
        const [logistic, tanh] = (["logistic", "tanh"] as const).map((name) => (x: number): number => {
          floats[IN >> 2] = x;
          kernel[name](IN, OUT, 4);
          return floats[OUT >> 2]!;
        }) as [(x: number) => number, (x: number) => number];
        const r = Math.fround;
        const c = r(r(logistic(f) * before) + r(logistic(i) * tanh(g)));
        const y = r(logistic(o) * tanh(c));
        for (const [part, x] of [o, f, i, g, before].entries())
          floats.fill(x, (IN >> 2) + 4 * part, (IN >> 2) + 4 * part + 4);
        const words = cellWords({
          out: OUT,
          outStride: 16,
          of: IN,
          stride: 64,
          width: 4,
          before: IN + 64,
          beforeStride: 16,
          memory: OUT + 16,
          memoryStride: 16,
        });
        new Uint32Array(kernel.memory).set(words, FIRST_ADDRESS >> 2);
        kernel.cell(FIRST_ADDRESS, 0, 1);
        expect([...floats.subarray(OUT >> 2, (OUT >> 2) + 8)]).toEqual([y, y, y, y, c, c, c, c]);
      }),
      { numRuns: 200 },
    );
  },
);

test(
  "a product of any floats has the reference's bits, whatever its rows, outputs, segments, start, bias and " + "ReLU",
  () => {
    const shape = fc.record({
      rows: fc.integer({ min: 0, max: 11 }),
      first: fc.integer({ min: 0, max: 3 }),
      panels: fc.integer({ min: 1, max: 6 }),
      inputs: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 0, maxLength: 4 }),
      relu: fc.boolean(),
      start: fc.constantFrom("none", "apart", "out"),
      bias: fc.boolean(),
      stream: fc.infiniteStream(anyFloat),
    });
    fc.assert(
      fc.property(shape, ({ rows, first, panels, inputs, relu, start, bias, stream }) => {
        const outputs = panels * PANEL;
        const weightInputs = inputs.reduce((a, b) => a + b, 0);
        const stride = 4 * (weightInputs + 1);
        const START = 192 << 10;
        const BIAS = 256 << 10;
        const WEIGHTS = 320 << 10;
        const total = first + rows;
        const take = (n: number): number[] => Array.from({ length: n }, () => stream.next().value as number);
        const parts: [number, number[]][] = [
          [IN, take((total * stride) >> 2)],
          [START, take(total * outputs)],
          [OUT, take(total * outputs)],
          [BIAS, take(outputs)],
          [WEIGHTS, take(outputs * weightInputs)],
        ];
        const before = (i: number): number => inputs.slice(0, i).reduce((a, b) => a + b, 0);
        const segments = inputs.map((n, i) => ({ from: IN + 4 * before(i), stride, inputs: n }));
        expectSame(
          (floats, words) => {
            for (const [at, values] of parts) floats.set(values, at >> 2);
            words.set(
              productWords({
                out: OUT,
                outStride: 4 * outputs,
                start: start === "none" ? 0 : start === "out" ? OUT : START,
                startStride: 4 * outputs,
                bias: bias ? BIAS : 0,
                weights: WEIGHTS,
                weightInputs,
                outputs,
                relu,
                segments,
              }),
              FIRST_ADDRESS >> 2,
            );
          },
          (kernel) => kernel.product(FIRST_ADDRESS, first, rows),
          OUT,
          total * outputs,
        );
      }),
      { numRuns: 500 },
    );
  },
);

test("a row of a product does not depend on the rows computed with it", () => {
  const outputs = 40;
  const inputs = 37;
  const rows = 23;
  fc.assert(
    fc.property(
      fc.infiniteStream(finite),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 30, maxLength: 30 }),
      (stream, cuts) => {
        const [kernel] = kernels;
        const floats = new Float32Array(kernel.memory);
        for (let i = 0; i < rows * inputs; i++) floats[(IN >> 2) + i] = stream.next().value;
        for (let i = 0; i < outputs * inputs; i++) floats[((320 << 10) >> 2) + i] = stream.next().value;
        const segments = [{ from: IN, stride: 4 * inputs, inputs }];
        const run = (steps: readonly number[]): Uint32Array => {
          new Uint32Array(kernel.memory).set(
            productWords({
              ...{
                out: OUT,
                outStride: 4 * outputs,
                start: 0,
                startStride: 0,
                bias: 0,
                weights: 320 << 10,
                weightInputs: inputs,
                outputs,
                relu: false,
                segments,
              },
            }),
            FIRST_ADDRESS >> 2,
          );
          for (let at = 0, i = 0; at < rows; i++) {
            const n = Math.min(steps[i]!, rows - at);
            kernel.product(FIRST_ADDRESS, at, n);
            at += n;
          }
          return bits(kernel.memory, OUT, rows * outputs);
        };
        expect(run(cuts)).toEqual(run([rows]));
      },
    ),
    { numRuns: 50 },
  );
});

const logits = fc
  .tuple(fc.integer({ min: 2, max: 256 }), fc.infiniteStream(fc.oneof({ weight: 9, arbitrary: finite }, anyFloat)))
  .map(([k, stream]) => [...stream.take(k)]);

test("frequencies of any logits have the reference's integers, or are refused by both", () => {
  fc.assert(
    fc.property(
      fc.oneof(logits, fc.array(finite, { minLength: 2, maxLength: 256 })),
      fc.constantFrom(1, Math.fround(1 / 0.7), 0.5),
      (values, scale) => {
        const stride = 4 * Math.ceil(values.length / PANEL) * PANEL;
        expectSame(
          (floats, words) => {
            for (const row of [0, 1, 2]) floats.set(values, (IN + row * stride) >> 2);
            words.set(
              frequencyWords({ logits: IN, stride, levels: values.length, scale, out: OUT }),
              FIRST_ADDRESS >> 2,
            );
          },
          (kernel) => {
            const floats = new Float32Array(kernel.memory);
            floats[(OUT >> 2) - 1] = kernel.frequencies(FIRST_ADDRESS, 1, 2);
            if (floats[(OUT >> 2) - 1] !== -1) new Uint32Array(kernel.memory).fill(0, OUT >> 2);
          },
          OUT - 4,
          2 * (values.length + 1) + 1,
        );
      },
    ),
    { numRuns: 500 },
  );
});

test("frequencies are exactly the integers of docs/determinism.md, strictly increasing from 0 to 2^24", () => {
  fc.assert(
    fc.property(logits, (values) => {
      const out = new Uint32Array(values.length + 1);
      const row = Float32Array.from(values);
      if (!cumulativeFrequencies(row, 1, out)) return;
      const [kernel] = kernels;
      const floats = new Float32Array(kernel.memory);
      const max = Math.max(...row);
      const padded = Math.ceil(values.length / 4) * 4;
      floats.set(
        row.map((l) => Math.max(l - max, -20)),
        IN >> 2,
      );
      kernel.exp(IN, OUT, padded);
      const weights = Array.from(floats.subarray(OUT >> 2, (OUT >> 2) + values.length), (e) =>
        BigInt(Math.trunc(e * 2 ** 21)),
      );
      const total = weights.reduce((a, b) => a + b);
      let sum = 0n;
      expect(out[0]).toBe(0);
      for (const [i, w] of weights.entries()) {
        sum += w;
        expect(BigInt(out[i + 1]!)).toBe(BigInt(i + 1) + (sum * (2n ** 24n - BigInt(values.length))) / total);
        expect(out[i + 1]).toBeGreaterThan(out[i]!);
      }
      expect(out.at(-1)).toBe(2 ** 24);
    }),
    { numRuns: 200 },
  );
});

test("a NaN among the logits, or an infinite maximum, is refused", () => {
  for (const bad of [NaN, Infinity]) {
    expect(cumulativeFrequencies(Float32Array.of(0, bad, 1), 1, new Uint32Array(4))).toBe(false);
  }
  expect(cumulativeFrequencies(Float32Array.of(-Infinity, -Infinity), 1, new Uint32Array(3))).toBe(false);
  expect(cumulativeFrequencies(Float32Array.of(-Infinity, 0), 1, new Uint32Array(3))).toBe(true);
});

/** Units in the last place of float32 at y. */
const ulp = (y: number): number => 2 ** (Math.floor(Math.log2(Math.abs(y))) - 23);

test.each([
  ["exp", Math.exp, -86.9, 86.9, 1],
  ["log", Math.log, 1e-6, 4, 1],
  ["log", Math.log, 0.25, 1e6, 1],
  ["tanh", Math.tanh, -20, 20, 6],
  ["logistic", (x: number) => 1 / (1 + Math.exp(-x)), -86.9, 40, 2.5],
] as const)("%s is within its stated error of the true value", (name, truth, low, high, most) => {
  const [kernel] = kernels;
  const floats = new Float32Array(kernel.memory);
  const count = 32768;
  let worst = 0;
  for (let round = 0; round < 16; round++) {
    for (let i = 0; i < count; i++) floats[((256 << 10) >> 2) + i] = low + ((high - low) * (i + round / 16)) / count;
    kernel[name](256 << 10, 512 << 10, count);
    for (let i = 0; i < count; i++) {
      const y = truth(floats[((256 << 10) >> 2) + i]!);
      if (y !== 0) worst = Math.max(worst, Math.abs(floats[((512 << 10) >> 2) + i]! - y) / ulp(y));
    }
  }
  expect(worst).toBeLessThan(most);
});
