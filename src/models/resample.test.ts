/**
 * Halving and doubling convolutions against loops in float64 that follow docs/conditioning.md, and each as the other's
 * adjoint.
 */

import { describe, expect, test } from "vitest";
import { checkDerivatives, randomTensor } from "../autodiff/central-differences.test-support.ts";
import { evaluate, numbers } from "../onnx/evaluate.test-support.ts";
import type { Tensor } from "../tensor.ts";
import { convolveDown, convolveUp, doubled, halved, type Size } from "./resample.ts";

type Wide = Tensor<"float64">;
const SIZES: Size[] = [
  { height: 4, width: 6 },
  { height: 5, width: 7 },
  { height: 1, width: 1 },
  { height: 2, width: 1 },
  { height: 3, width: 8 },
];
const [B, F, O] = [2, 3, 4];
const positions = ({ height, width }: Size): number => height * width;

async function run(
  f: typeof convolveDown,
  size: Size,
  x: Wide,
  w: Wide,
  bias?: Wide,
): Promise<{ shape: readonly number[]; y: number[] }> {
  const { y } = await evaluate(
    (g) => ({
      y: f(
        g.input("x", "float64", x.shape),
        g.constant("float64", w.shape, w.data),
        size,
        bias && g.constant("float64", bias.shape, bias.data),
      ),
    }),
    { x },
  );
  return { shape: y!.shape, y: numbers(y!) };
}

/** in(b, i, j)[f], 0 outside. */
const reader =
  ({ data }: Wide, { height, width }: Size, features: number) =>
  (b: number, i: number, j: number, f: number): number =>
    i < 0 || j < 0 || i >= height || j >= width ? 0 : data[((b * height + i) * width + j) * features + f]!;

/** One number an output, in the order [B, H, W, O]. */
function everyOutput({ height, width }: Size, f: (b: number, y: number, x: number, o: number) => number): number[] {
  const all: number[] = [];
  for (let b = 0; b < B; b++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) for (let o = 0; o < O; o++) all.push(f(b, y, x, o));
  return all;
}

function naiveDown(x: Wide, w: Wide, bias: Wide, size: Size): number[] {
  const read = reader(x, size, F);
  return everyOutput({ height: Math.ceil(size.height / 2), width: Math.ceil(size.width / 2) }, (b, i, j, o) => {
    let sum = bias.data[o]!;
    for (let ky = 0; ky < 4; ky++)
      for (let kx = 0; kx < 4; kx++)
        for (let f = 0; f < F; f++)
          sum += read(b, 2 * i + ky - 1, 2 * j + kx - 1, f) * w.data[((ky * 4 + kx) * F + f) * O + o]!;
    return sum;
  });
}

function naiveUp(x: Wide, w: Wide, bias: Wide, size: Size): number[] {
  const read = reader(x, size, F);
  return everyOutput({ height: 2 * size.height, width: 2 * size.width }, (b, i, j, o) => {
    let sum = bias.data[o]!;
    for (let ky = 0; ky < 4; ky++)
      for (let kx = 0; kx < 4; kx++) {
        const [row, column] = [(i + 1 - ky) / 2, (j + 1 - kx) / 2];
        if (!Number.isInteger(row) || !Number.isInteger(column)) continue;
        for (let f = 0; f < F; f++) sum += read(b, row, column, f) * w.data[((ky * 4 + kx) * F + f) * O + o]!;
      }
    return sum;
  });
}

function expectNear(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length);
  // Sums of 48 products of numbers below 1.5, in float64.
  found.forEach((value, i) => {
    expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-12);
  });
}

describe.each(SIZES)("at $height x $width", (size) => {
  const x = randomTensor([B, positions(size), F], 1);
  const w = randomTensor([4, 4, F, O], 2);
  const bias = randomTensor([O], 3);

  test("the halving convolution is its loop", async () => {
    const { shape, y } = await run(convolveDown, size, x, w, bias);
    expect(shape).toEqual([B, positions(halved(size)), O]);
    expectNear(y, naiveDown(x, w, bias, size));
  });

  test("the doubling convolution is its loop", async () => {
    const { shape, y } = await run(convolveUp, size, x, w, bias);
    expect(shape).toEqual([B, 4 * positions(size), O]);
    expect(positions(doubled(size))).toBe(4 * positions(size));
    expectNear(y, naiveUp(x, w, bias, size));
  });

  test("doubling is the adjoint of halving an image of twice the size: <down x, y> = <x, up y>", async () => {
    const large = doubled(size);
    const image = randomTensor([B, positions(large), F], 4);
    const small = randomTensor([B, positions(size), O], 5);
    // The same kernel with its two feature axes exchanged.
    const turned = { ...w, shape: [4, 4, O, F], data: new Float64Array(w.data.length) };
    for (let k = 0; k < 16; k++)
      for (let f = 0; f < F; f++)
        for (let o = 0; o < O; o++) turned.data[(k * O + o) * F + f] = w.data[(k * F + f) * O + o]!;
    const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
      Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);
    const down = await run(convolveDown, large, image, w);
    const up = await run(convolveUp, size, small, turned);
    expect(dot(down.y, small.data)).toBeCloseTo(dot(image.data, up.y), 10);
  });

  test("derivatives by input, kernel and bias are those of central differences", async () => {
    await checkDerivatives({ x, w, bias }, (v) => convolveDown(v.x!, v.w!, size, v.bias!));
    await checkDerivatives({ x, w, bias }, (v) => convolveUp(v.x!, v.w!, size, v.bias!));
  });
});
