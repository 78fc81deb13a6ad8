/** A run's config is strict: whatever does not fit is named by its key, with what was expected and what came. */

import { expect, test } from "vitest";
import { PixelcnnError } from "../errors.ts";
import { resolvePixelcnn } from "../models/schema.ts";
import { type RunConfig, resolveRun } from "./config.ts";

const model = { height: 28, width: 28, channels: 1, levels: 2 };
const smallest = { data: { source: "mnist" }, model };

function wordsOf(resolve: () => unknown): string {
  try {
    resolve();
  } catch (error) {
    expect(error).toBeInstanceOf(PixelcnnError);
    expect((error as PixelcnnError).kind).toBe("usage");
    return (error as Error).message;
  }
  throw new Error("expected a refusal");
}
/** The lines below the heading. */
const complaints = (input: unknown): string[] => {
  const [heading, ...lines] = wordsOf(() => resolveRun(input)).split("\n");
  expect(heading).toBe("expected the run config to fit its schema:");
  return lines.map((line) => line.trim());
};

test("the smallest config is filled in with every default", () => {
  expect(resolveRun(smallest)).toMatchObject({
    format: 1,
    data: { source: "mnist" },
    model: {
      family: "gated-pixelcnn",
      ...model,
      features: 32,
      depth: 8,
      firstKernel: 7,
      kernels: [3],
      dilations: [1],
      skip: 32,
      head: { kind: "categorical", features: 64 },
      condition: null,
    },
    train: {
      batch: 16,
      rate: 2e-3,
      warmup: 100,
      decay: "cosine",
      finalRate: 0.02,
      beta1: 0.9,
      beta2: 0.99,
      epsilon: 1e-8,
      weightDecay: 0,
      clip: 100,
      average: 0.999,
      seed: 1,
      budget: { epochs: 10 },
      checkpointMinutes: 1,
    },
  });
});

test("a resolved config is a valid input and resolves to itself, through JSON too", () => {
  const resolved: RunConfig = resolveRun(smallest);
  expect(resolveRun(resolved)).toEqual(resolved);
  expect(resolveRun(JSON.parse(JSON.stringify(resolved)))).toEqual(resolved);
});

test.each([
  ["an unknown key of the model", { ...smallest, model: { ...model, feature: 3 } }, "model: unknown key feature"],
  ["unknown keys of the training", { ...smallest, train: { lr: 1, bach: 2 } }, "train: unknown keys lr, bach"],
  ["an unknown key of the data", { ...smallest, data: { source: "mnist", tint: 1 } }, "data: unknown key tint"],
  ["an unknown key at the top", { ...smallest, modle: {} }, "the top level: unknown key modle"],
  [
    "an unknown key of the head",
    { ...smallest, model: { ...model, head: { feature: 3 } } },
    "model.head: unknown key feature",
  ],
  [
    "an even kernel",
    { ...smallest, model: { ...model, firstKernel: 4 } },
    "model.firstKernel: expected an odd kernel size but received 4",
  ],
  [
    "a kernel too small",
    { ...smallest, model: { ...model, kernels: [3, 1] } },
    "model.kernels.1: expected at least 3 but received 1",
  ],
  [
    "a kernel that is no whole number",
    { ...smallest, model: { ...model, firstKernel: 3.5 } },
    "model.firstKernel: expected a whole number but received 3.5",
  ],
  [
    "features that do not come in groups",
    { ...smallest, model: { ...model, channels: 3, skip: 33, head: { features: 63 } } },
    "model.features: expected a multiple of channels (3) for features but received 32: features come in one group a " +
      "channel",
  ],
  [
    "skip features that do not come in groups",
    { ...smallest, model: { ...model, channels: 3, features: 33, head: { features: 63 } } },
    "model.skip: expected a multiple of channels (3) for skip but received 32: features come in one group a channel",
  ],
  [
    "head features that do not come in groups",
    { ...smallest, model: { ...model, channels: 3, features: 33, skip: 0 } },
    "model.head.features: expected a multiple of channels (3) for head.features but received 64: features come in " +
      "one group a channel",
  ],
  [
    "levels above 256",
    { ...smallest, model: { ...model, levels: 257 } },
    "model.levels: expected at most 256 but received 257",
  ],
  [
    "no levels",
    { ...smallest, model: { height: 1, width: 1, channels: 1 } },
    "model.levels: expected a number but received nothing",
  ],
  ["a rate of zero", { ...smallest, train: { rate: 0 } }, "train.rate: expected more than 0 but received 0"],
  [
    "a rate that is a word",
    { ...smallest, train: { rate: "fast" } },
    'train.rate: expected a number but received "fast"',
  ],
  [
    "an unknown decay",
    { ...smallest, train: { decay: "linear" } },
    'train.decay: expected "cosine", "constant" or "cooldown" but received "linear"',
  ],
  [
    "a budget with two keys",
    { ...smallest, train: { budget: { steps: 5, minutes: 1 } } },
    "train.budget: expected exactly one of steps (whole, from 0), epochs or minutes (above 0) but received " +
      '{"steps":5,"minutes":1}',
  ],
  [
    "a budget without a key",
    { ...smallest, train: { budget: {} } },
    "train.budget: expected exactly one of steps (whole, from 0), epochs or minutes (above 0) but received {}",
  ],
  [
    "a budget of a fraction of a step",
    { ...smallest, train: { budget: { steps: 0.5 } } },
    'train.budget: expected exactly one of steps (whole, from 0), epochs or minutes (above 0) but received {"steps":0.5}',
  ],
  ["another format", { ...smallest, format: 2 }, "format: expected 1 but received 2"],
])("%s: the words", (_, input, words) => {
  expect(complaints(input)).toEqual([words]);
});

const from = (condition: unknown): object => ({ ...smallest, condition });
const ofFamily = (family: string, conditionDropout: number): object => ({
  ...smallest,
  model: { ...model, family },
  train: { conditionDropout },
});
test.each([
  [
    "from nowhere",
    from({ from: "text" }),
    'condition.from: expected "class", "vectors", "captions", "encoder" or "thumbnail" but received {"from":"text"}',
  ],
  ["that is a word", from("class"), 'condition: expected an object but received "class"'],
  ["of classes with their names", from({ from: "class", classes: ["a", "b"] }), "condition: unknown key classes"],
  ["of vectors with their path", from({ from: "vectors", path: "x.npy" }), "condition: unknown key path"],
  ["of an encoder without a model", from({ from: "encoder" }), "condition.model: expected text but received nothing"],
  [
    "of an encoder with a model of no name",
    from({ from: "encoder", model: "" }),
    'condition.model: expected at least 1 letters but received ""',
  ],
  [
    "of an encoder of something else",
    from({ from: "encoder", model: "m", of: "person" }),
    'condition.of: expected "image" or "class" but received "person"',
  ],
  [
    "of a thumbnail without a width",
    from({ from: "thumbnail", height: 2 }),
    "condition.width: expected a number but received nothing",
  ],
  [
    "of a thumbnail of no height",
    from({ from: "thumbnail", height: 0, width: 2 }),
    "condition.height: expected at least 1 but received 0",
  ],
  [
    "left out more than always",
    { ...smallest, train: { conditionDropout: 1.5 } },
    "train.conditionDropout: expected at most 1 but received 1.5",
  ],
  [
    "left out less than never",
    { ...smallest, train: { conditionDropout: -0.1 } },
    "train.conditionDropout: expected at least 0 but received -0.1",
  ],
  [
    "left out of an auto-encoder of squared error",
    { ...ofFamily("autoencoder", 0.1), model: { ...model, family: "autoencoder", decoder: { kind: "deconvolution" } } },
    "train.conditionDropout: expected 0 for an auto-encoder with a deconvolution decoder, which draws nothing by a " +
      "condition, but received 0.1",
  ],
  [
    "left out of an embedder",
    ofFamily("embedder", 0.2),
    "train.conditionDropout: expected 0 for an embedder, which draws nothing by a condition, but received 0.2",
  ],
  [
    "that a model without one is to tell its pixels from",
    { ...smallest, train: { blind: 0.25 } },
    "train.blind: expected 0 for a model without a condition, which would have nothing to go by with its pixels " +
      "hidden, but received 0.25",
  ],
  [
    "that an auto-encoder of squared error is to tell its pixels from",
    {
      ...ofFamily("autoencoder", 0),
      model: { ...model, family: "autoencoder", decoder: { kind: "deconvolution" } },
      train: { blind: 0.25 },
    },
    "train.blind: expected 0 for an auto-encoder with a deconvolution decoder, which would have nothing to go by " +
      "with its pixels hidden, but received 0.25",
  ],
  [
    "of which every pixel is to be told",
    { ...ofFamily("autoencoder", 0), train: { blind: 1 } },
    "train.blind: expected less than 1 but received 1",
  ],
  [
    "balanced for an embedder",
    { ...ofFamily("embedder", 0), train: { balance: true } },
    "train.balance: expected false for an embedder, whose batches hold train.perClass images a class anyway, but " +
      "received true",
  ],
  [
    "of one image a class",
    { ...smallest, train: { perClass: 1 } },
    "train.perClass: expected at least 2 but received 1",
  ],
])("a condition %s: the words", (_, input, words) => {
  expect(complaints(input)).toEqual([words]);
});

test("where a condition comes from is kept as it was given, with its default", () => {
  expect(resolveRun(from({ from: "encoder", model: "m" })).condition).toEqual({
    from: "encoder",
    model: "m",
    of: "image",
  });
  expect(resolveRun(from({ from: "thumbnail", height: 2, width: 3 })).condition).toEqual({
    from: "thumbnail",
    height: 2,
    width: 3,
  });
  expect(resolveRun(from(null)).condition).toBeNull();
  expect(resolveRun(smallest).condition).toBeNull();
  expect(resolveRun(smallest).train).toMatchObject({ conditionDropout: 0, perClass: 4 });
  expect(resolveRun(ofFamily("autoencoder", 0.1)).train.conditionDropout).toBe(0.1);
});

test("every problem has its line", () => {
  expect(complaints({ data: {}, model: { ...model, depth: 0, wide: 1 }, train: { seed: -1 } })).toHaveLength(4);
});

test("the model alone is as strict, and says that it is the model's config", () => {
  expect(wordsOf(() => resolvePixelcnn({ ...model, depht: 2 }))).toBe(
    "expected the model config to fit its schema:\n  the top level: unknown key depht",
  );
});

test.each([null, 7, "mnist", [], undefined])("%o is no config", (input) => {
  expect(complaints(input).length).toBeGreaterThan(0);
});
