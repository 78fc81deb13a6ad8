/** The number that each family is measured by, against what it is made of in float64. */

import { describe, expect, test } from "vitest";
import { datasetFromArrays, subset } from "../data/dataset.ts";
import { latentsOf, reconstruction } from "../models/autoencoder.ts";
import { embeddingsOf } from "../models/embedder.ts";
import { lossOf, randomLevels, randomParameters, runModelGraph } from "../models/families.test-support.ts";
import { type ModelConfig, modelParameters, resolveModel } from "../models/families.ts";
import { ownLatents } from "./encode.ts";
import { describeEvaluation, evaluate } from "./evaluate.ts";
import { likelihood } from "./likelihood.ts";

type Of<F extends ModelConfig["family"]> = Extract<ModelConfig, { family: F }>;
const image = { height: 6, width: 5, channels: 1, levels: 4 };
const small = { features: 4, depth: 2, firstKernel: 3, skip: 4, head: { features: 4 } };
const encoder = { features: [3, 4], hidden: 5 };
const COUNT = 9;
const CLASSES = ["x", "y", "z"];
const labels = Array.from({ length: COUNT }, (_, i) => i % 3);
const levels = randomLevels(resolveModel({ ...image, ...small }), COUNT);
const data = datasetFromArrays({ name: "nine", split: "test", ...image, classes: CLASSES }, levels.data, labels);
const firstSix = { ...levels, shape: [6, 6, 5, 1], data: levels.data.slice(0, 180) };

test("a PixelCNN's is its likelihood, under the data's own conditions", async () => {
  const config = resolveModel({
    ...image,
    ...small,
    condition: { kind: "class", classes: CLASSES },
  }) as Of<"gated-pixelcnn">;
  const parameters = randomParameters(modelParameters(config));
  const found = await evaluate({ config, parameters }, data, { threads: 1 });
  const { each: _, ...expected } = await likelihood({ config, parameters }, data, { threads: 1 });
  expect(found).toEqual({ kind: "likelihood", ...expected });
  const h = labels.flatMap((label) => [0, 1, 2].map((k) => (k === label ? 1 : 0)));
  const nats = (await lossOf(config, parameters, levels, { condition: h })) / COUNT;
  expect(expected.nats).toBeCloseTo(nats, 4);
  expect(expected.bitsPerDim * 30 * Math.LN2).toBeCloseTo(expected.nats, 12);
  // Others' conditions are not its own.
  const shuffled = await evaluate({ config, parameters }, data, {
    threads: 1,
    conditions: labels.map((l) => (l + 1) % 3),
  });
  expect(Math.abs((shuffled as typeof expected).nats - nats)).toBeGreaterThan(1e-2);
});

describe("an auto-encoder's", () => {
  const config = resolveModel({
    family: "autoencoder",
    ...image,
    encoder,
    latents: 3,
    decoder: { kind: "pixelcnn", ...small },
  }) as Of<"autoencoder">;
  const parameters = randomParameters(modelParameters(config), 2);

  test("is the likelihood of its images given their own latents: the loss that it trains on", async () => {
    const found = await evaluate({ config, parameters }, data, { threads: 1 });
    const nats = (await lossOf(config, parameters, levels)) / COUNT;
    expect(found).toMatchObject({ kind: "likelihood", images: COUNT });
    if (found.kind !== "likelihood") return;
    expect(found.nats).toBeCloseTo(nats, 4);
    expect(found.bitsPerDim * 30 * Math.LN2).toBeCloseTo(found.nats, 12);
    // Conditions that somebody gives are not looked at: they are its own.
    expect(await evaluate({ config, parameters }, data, { threads: 1, conditions: null })).toEqual(found);
  });
  test("counts the first images where it is limited", async () => {
    const found = await evaluate({ config, parameters }, data, { threads: 2, limit: 6, batch: 4 });
    expect(found).toMatchObject({ images: 6 });
    if (found.kind === "likelihood")
      expect(found.nats).toBeCloseTo((await lossOf(config, parameters, firstSix)) / 6, 4);
  });
  test("latents of each image, in order", async () => {
    const { y } = await runModelGraph(config, parameters, levels, (lookup, pixels) =>
      latentsOf(config, lookup, pixels),
    );
    const found = (await ownLatents({ config, parameters }, data, { threads: 1, limit: 4 })) as Float32Array[];
    expect(found).toHaveLength(4);
    found.forEach((code, i) => {
      expect(code).toHaveLength(3);
      code.forEach((v, k) => {
        expect(v).toBeCloseTo(y[3 * i + k]!, 5);
      });
    });
  });
});

test(
  "a deconvolution's is the squared error of what it reconstructs, in scaled units, and its root mean square in " +
    "levels",
  async () => {
    const decoder = { kind: "deconvolution", features: [5, 3] };
    const config = resolveModel({ family: "autoencoder", ...image, encoder, latents: 3, decoder }) as Of<"autoencoder">;
    const parameters = randomParameters(modelParameters(config), 2);
    const { y } = await runModelGraph(config, parameters, levels, (lookup, pixels) =>
      reconstruction(config, lookup, latentsOf(config, lookup, pixels)),
    );
    const errorOf = (count: number): number =>
      y.slice(0, 30 * count).reduce((sum, v, i) => sum + ((2 * (v - levels.data[i]!)) / 3) ** 2, 0) / count;
    for (const limit of [undefined, 6]) {
      const found = await evaluate({ config, parameters }, data, { threads: 1, limit });
      expect(found).toMatchObject({ kind: "error", images: limit ?? COUNT });
      if (found.kind !== "error") return;
      expect(found.squaredError).toBeCloseTo(errorOf(limit ?? COUNT), 4);
      expect(found.levels).toBeCloseTo(Math.sqrt((errorOf(limit ?? COUNT) * 2.25) / 30), 5);
    }
  },
);

describe("an embedder's", () => {
  const config = resolveModel({ family: "embedder", ...image, encoder, size: 3 }) as Of<"embedder">;
  const parameters = randomParameters(modelParameters(config), 4);

  test(
    "is how often a pair of one class is nearer than a pair of two, and the best balanced accuracy of a " + "threshold",
    async () => {
      const { y } = await runModelGraph(config, parameters, levels, (lookup, pixels) =>
        embeddingsOf(config, lookup, pixels),
      );
      const same: number[] = [];
      const other: number[] = [];
      for (let i = 0; i < COUNT; i++)
        for (let j = i + 1; j < COUNT; j++)
          (labels[i] === labels[j] ? same : other).push(
            Math.hypot(...[0, 1, 2].map((k) => y[3 * i + k]! - y[3 * j + k]!)),
          );
      const share = (list: number[], below: number): number => list.filter((d) => d <= below).length / list.length;
      const auc = same.reduce((sum, s) => sum + other.filter((o) => s < o).length, 0) / same.length / other.length;
      const accuracies = [...same, ...other].map((at) => (share(same, at) + 1 - share(other, at)) / 2);
      const found = await evaluate({ config, parameters }, data, { threads: 1 });
      expect(found).toMatchObject({ kind: "verification", images: COUNT });
      if (found.kind !== "verification") return;
      expect(found.auc).toBeCloseTo(auc, 10);
      expect(found.balancedAccuracy).toBeCloseTo(Math.max(...accuracies), 10);
    },
  );
  test("needs to know who is who", async () => {
    const unlabelled = datasetFromArrays({ name: "nine", split: "test", ...image, classes: null }, levels.data);
    await expect(evaluate({ config, parameters }, unlabelled, { threads: 1 })).rejects.toThrow(
      "expected the person of each image to verify embeddings with but image 0 has none",
    );
    await expect(evaluate({ config, parameters }, subset(data, [0, 3, 6]), { threads: 1 })).rejects.toThrow(
      "expected pairs of the same person and of two persons but received 3 and 0",
    );
  });
});

test("in words", () => {
  const likelihood = { kind: "likelihood", images: 3, nats: 80.126, bitsPerDim: 0.14744, standardError: 1 } as const;
  expect(describeEvaluation(likelihood)).toBe("0.1474 bits/dim, 80.13 nats an image");
  expect(describeEvaluation({ kind: "error", images: 3, squaredError: 12.345, levels: 0.256 })).toBe(
    "squared error 12.35 an image (x in -1 .. 1), 0.26 levels root mean square",
  );
  expect(describeEvaluation({ kind: "verification", images: 3, auc: 0.98765, balancedAccuracy: 0.9012 })).toBe(
    "ROC AUC 0.9877, best balanced accuracy 90.1 %",
  );
});
