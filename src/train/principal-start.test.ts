/** The principal components against a covariance written out in float64, and the loss that training begins at. */

import { describe, expect, test } from "vitest";
import { datasetFromArrays } from "../data/dataset.ts";
import { modelParameters } from "../models/families.ts";
import { unflatten } from "../network/parameters.ts";
import { randomFrom } from "../random.ts";
import { resolveRun } from "./config.ts";
import { type TrainEvent, train } from "./loop.ts";
import { firstState, principalComponents } from "./principal-start.ts";
import { initialState } from "./state.ts";
import { symmetricEigen } from "./symmetric-eigen.ts";

const shape = { height: 3, width: 4, channels: 2, levels: 256 };
const D = 24;

/** Images with some directions that vary more than others. */
function images(count: number, seed = 1): Uint8Array {
  const random = randomFrom(seed);
  const axes = Array.from({ length: D }, () => Array.from({ length: D }, () => random.uniform() - 0.5));
  const one = (): number[] => {
    const along = axes.map((_, a) => (random.uniform() - 0.5) * 200 * 0.7 ** a);
    return Array.from({ length: D }, (_, d) =>
      Math.round(Math.min(255, Math.max(0, 128 + along.reduce((sum, v, a) => sum + v * axes[a]![d]!, 0)))),
    );
  };
  return Uint8Array.from(Array.from({ length: count }, one).flat());
}
const dataset = (pixels: Uint8Array) =>
  datasetFromArrays({ name: "made", split: "train", classes: null, ...shape }, pixels);
const scaled = (pixels: Uint8Array, i: number): number[] =>
  Array.from(pixels.subarray(i * D, (i + 1) * D), (v) => (2 * v) / 255 - 1);

describe("eigenvectors of a symmetric matrix", () => {
  test.each([1, 2, 7, 40])("of %d axes: A v = lambda v, orthonormal, largest first", (n) => {
    const random = randomFrom(n);
    const a = new Float64Array(n * n);
    for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = random.uniform() - 0.5;
    const { values, vectors } = symmetricEigen(a, n);
    for (let c = 0; c < n; c++) {
      if (c > 0) expect(values[c]!).toBeLessThanOrEqual(values[c - 1]!);
      for (let i = 0; i < n; i++) {
        let product = 0;
        for (let j = 0; j < n; j++) product += a[i * n + j]! * vectors[j * n + c]!;
        expect(Math.abs(product - values[c]! * vectors[i * n + c]!)).toBeLessThan(1e-12);
      }
      for (let other = 0; other <= c; other++) {
        let dot = 0;
        for (let i = 0; i < n; i++) dot += vectors[i * n + c]! * vectors[i * n + other]!;
        expect(Math.abs(dot - (other === c ? 1 : 0))).toBeLessThan(1e-12);
      }
    }
  });

  test("of a matrix that is diagonal already, and of zeros", () => {
    expect([...symmetricEigen([1, 0, 0, 0, 5, 0, 0, 0, 3], 3).values]).toEqual([5, 3, 1]);
    expect([...symmetricEigen(new Float64Array(9), 3).values]).toEqual([0, 0, 0]);
  });
});

describe("principal components", () => {
  test("are the eigenvectors of the covariance, as far apart as the images are along them", async () => {
    const pixels = images(500);
    const found = await principalComponents(dataset(pixels), { count: 5, seed: 3 });
    const mean = new Float64Array(D);
    for (let i = 0; i < 500; i++)
      scaled(pixels, i).forEach((v, d) => {
        mean[d]! += v / 500;
      });
    const covariance = new Float64Array(D * D);
    for (let i = 0; i < 500; i++) {
      const x = scaled(pixels, i).map((v, d) => v - mean[d]!);
      for (let a = 0; a < D; a++) for (let b = 0; b < D; b++) covariance[a * D + b]! += (x[a]! * x[b]!) / 500;
    }
    const { values, vectors } = symmetricEigen(covariance, D);
    for (let d = 0; d < D; d++) expect(Math.abs(found.mean[d]! - mean[d]!)).toBeLessThan(1e-12);
    for (let c = 0; c < 5; c++) {
      expect(Math.abs(found.deviations[c]! - Math.sqrt(values[c]!))).toBeLessThan(1e-5);
      let dot = 0;
      for (let d = 0; d < D; d++) dot += found.components[d * 5 + c]! * vectors[d * D + c]!;
      expect(Math.abs(Math.abs(dot) - 1)).toBeLessThan(1e-5);
    }
  });

  test("of fewer images than components the rest are zeros", async () => {
    const { components, deviations } = await principalComponents(dataset(images(3)), { count: 5, seed: 3 });
    expect([...deviations].map((d) => d > 1e-4)).toEqual([true, true, false, false, false]);
    expect([...components].every(Number.isFinite)).toBe(true);
  });
});

describe("a run with linear paths", () => {
  const run = (decoder: object, steps = 1) =>
    resolveRun({
      data: { source: "made" },
      model: {
        family: "autoencoder",
        ...shape,
        latents: 5,
        encoder: { features: [6], hidden: 0, linear: true },
        decoder,
      },
      train: { batch: 20, rate: 1e-6, warmup: 0, budget: { steps } },
    });

  test("begins at the squared error that five components leave", async () => {
    const pixels = images(500);
    const config = run({ kind: "deconvolution", features: [4], linear: true }, 25);
    const losses: number[] = [];
    for await (const event of train({ config, data: dataset(pixels), threads: 1 }) as AsyncIterable<TrainEvent>)
      if (event.type === "step") losses.push(event.loss);
    const { mean, components } = await principalComponents(dataset(pixels), { count: 5, seed: 1 });
    let left = 0;
    for (let i = 0; i < 500; i++) {
      const x = scaled(pixels, i).map((v, d) => v - mean[d]!);
      for (const v of x) left += (v * v) / 500;
      for (let c = 0; c < 5; c++) left -= x.reduce((sum, v, d) => sum + v * components[d * 5 + c]!, 0) ** 2 / 500;
    }
    // One epoch at a rate of nearly nothing.
    expect(losses.reduce((sum, loss) => sum + loss / 25, 0)).toBeCloseTo(left, 3);
  });

  test("a PixelCNN's m(h) begins with the image of the components, without the mean", async () => {
    const config = run({
      kind: "pixelcnn",
      features: 4,
      skip: 4,
      depth: 2,
      head: { features: 4 },
      mapFeatures: 3,
      linear: true,
    });
    const data = dataset(images(500));
    const specs = modelParameters(config.model);
    const state = await firstState(config, data, { threads: 1 });
    const at = (name: string) => unflatten(specs, state.weights).get(name)!.data;
    const { components, deviations } = await principalComponents(data, { count: 5, seed: 1, threads: 1 });
    for (let c = 0; c < 5; c++)
      for (let d = 0; d < D; d++)
        expect(at("map.linear.W")[c * D + d]).toBeCloseTo(Math.sqrt(5) * deviations[c]! * components[d * 5 + c]!, 5);
    expect([...at("encoder.outputs.W")].every((w) => w === 0)).toBe(true);
    // All else is what the seed draws.
    const drawn = unflatten(specs, initialState(config).weights);
    for (const [name, { data: numbers }] of unflatten(specs, state.weights))
      if (!["map.linear.W", "encoder.linear.W", "encoder.outputs.b"].includes(name))
        expect(numbers, name).toEqual(drawn.get(name)!.data);
    expect(state.average).toEqual(state.weights);
    expect(state.seconds).toBeGreaterThan(0);
  });
});
