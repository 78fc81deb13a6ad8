/** Training with conditions, and other families than the PixelCNN: resuming, shards, what a step asks for. */

import { describe, expect, test } from "vitest";
import { binariseStochastically, type Dataset, datasetFromArrays } from "../data/dataset.ts";
import { withThumbnails } from "../data/thumbnails.ts";
import { randomParameters } from "../models/families.test-support.ts";
import { modelParameters, separable } from "../models/families.ts";
import { flatten } from "../network/parameters.ts";
import { compile, openSession } from "../onnx/session.ts";
import { randomFrom } from "../random.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { SCHEDULE_SIZE, scheduleVector } from "./adam.ts";
import { openBatches, type TrainBatch } from "./batches.ts";
import { type RunConfig, resolveRun } from "./config.ts";
import { type TrainEvent, train } from "./loop.ts";
import { collect, stateOf } from "./resume.test-support.ts";
import type { RunState } from "./state.ts";
import { initialState } from "./state.ts";
import { gradientGraph, stepGraph } from "./step.ts";
import { openStepper } from "./stepper.ts";

const image = { height: 6, width: 5, channels: 1, levels: 2 };
const small = { features: 4, depth: 2, firstKernel: 3, skip: 4, head: { features: 6 } };
const encoder = { features: [4], hidden: 5 };
const CLASSES = ["rows", "columns", "both"];

/** Stripes along rows, along columns, or both: 13 images, drawn anew as two levels each epoch. */
function stripes(): Dataset {
  const random = randomFrom(4);
  const labels = Array.from({ length: 13 }, (_, i) => i % 3);
  const pixels = Uint8Array.from(
    labels.flatMap((label) => {
      const phase = random.below(2);
      return Array.from({ length: 30 }, (_, p) => {
        const [y, x] = [Math.floor(p / 5), p % 5];
        return ([y, x, x + y][label]! + phase) % 2 === 0 ? 220 : 30;
      });
    }),
  );
  return binariseStochastically(
    datasetFromArrays({ name: "stripes", split: "train", ...image, levels: 256, classes: CLASSES }, pixels, labels),
    5,
  );
}

const runOf = (model: object, settings: object = {}): RunConfig =>
  resolveRun({
    data: { source: "stripes" },
    model: { ...image, ...model },
    train: { batch: 6, rate: 1e-2, warmup: 2, average: 0.9, clip: 5, budget: { steps: 8 }, ...settings },
  });
const condition = { kind: "class", classes: CLASSES };
const map = { kind: "map", height: 2, width: 2, channels: 1, features: 3 };
const recurrent = { features: 4, depth: 3, firstKernel: 3, head: { features: 4 } };
const RUNS: [name: string, config: RunConfig, data: () => Dataset][] = [
  ["classes, some left out", runOf({ ...small, condition }, { conditionDropout: 0.3 }), stripes],
  [
    "maps, some left out",
    runOf({ ...small, condition: map }, { conditionDropout: 0.3 }),
    () => withThumbnails(stripes(), { height: 2, width: 2 }),
  ],
  [
    "an auto-encoder",
    runOf({ family: "autoencoder", latents: 3, encoder, decoder: { kind: "pixelcnn", ...small } }),
    stripes,
  ],
  [
    "an auto-encoder, some latents left out",
    runOf(
      { family: "autoencoder", latents: 3, encoder, decoder: { kind: "pixelcnn", ...small, mapFeatures: 3 } },
      { conditionDropout: 0.3 },
    ),
    stripes,
  ],
  [
    "an auto-encoder that is blind at times",
    runOf(
      { family: "autoencoder", latents: 3, encoder, decoder: { kind: "pixelcnn", ...small, mapFeatures: 3 } },
      { blind: 0.4 },
    ),
    stripes,
  ],
  [
    "classes as often, blind and left out at times",
    runOf({ ...small, condition }, { conditionDropout: 0.3, blind: 0.3, balance: true }),
    stripes,
  ],
  [
    "an auto-encoder of squared error",
    runOf({ family: "autoencoder", latents: 3, encoder, decoder: { kind: "deconvolution", features: [5, 4] } }),
    stripes,
  ],
  ["an embedder", runOf({ family: "embedder", size: 4, encoder }, { perClass: 2 }), stripes],
  ["a Row LSTM of classes", runOf({ family: "row-lstm", ...recurrent, condition }, { conditionDropout: 0.3 }), stripes],
  ["a Diagonal BiLSTM", runOf({ family: "diagonal-bilstm", ...recurrent }), stripes],
];

const bits = ({ weights, first, second, average }: RunState): string =>
  [weights, first, second, average].map((v) => Buffer.from(v.slice().buffer).toString("hex")).join();

describe.each(RUNS)("a run of %s", (_, config, data) => {
  test("that stops after 3 steps and goes on is, to the bit, the run that did not", async () => {
    const whole = await collect({ config, data: data(), threads: 1 });
    expect(stateOf(whole).step).toBe(8);
    // Almost every weight moved; a ReLU that is closed for all images keeps its own.
    const before = initialState(config).weights;
    expect(stateOf(whole).weights.filter((w, i) => w !== before[i]).length / before.length).toBeGreaterThan(0.6);
    const stopper = new AbortController();
    const first: TrainEvent[] = [];
    for await (const event of train({ config, data: data(), threads: 1, signal: stopper.signal })) {
      first.push(event);
      if (event.type === "step" && event.step === 3) stopper.abort();
    }
    expect(stateOf(first).step).toBe(3);
    const second = await collect({ config, data: data(), threads: 2, from: stateOf(first) });
    expect(bits(stateOf(second))).toBe(bits(stateOf(whole)));
  });
});

/** Random weights: a fresh model's head is zero, and lets no gradient through. */
function startOf(config: RunConfig): RunState {
  const specs = modelParameters(config.model);
  const weights = flatten(specs, randomParameters(specs, 2));
  const zero = (): Float32Array => new Float32Array(weights.length);
  return { step: 0, seconds: 0, weights, first: zero(), second: zero(), average: weights };
}

/** Three steps through the one graph that a GPU runs. */
async function whole(
  config: RunConfig,
  batches: readonly TrainBatch[],
): Promise<{ losses: number[]; first: Float32Array }> {
  const { model, train } = config;
  const session = await openSession(compile(stepGraph(model, train.batch, train)), { threads: 1 });
  const vector = (data: Float32Array): Tensor => tensor("float32", [data.length], data);
  let { weights, first, second, average } = startOf(config);
  const losses: number[] = [];
  let gradient: Float32Array | undefined;
  for (const [t, { pixels, condition: h, labels, keep, sees }] of batches.entries()) {
    const out = await session.run({
      pixels: tensor("uint8", [train.batch, image.height, image.width, 1], pixels),
      ...(h ? { condition: tensor("float32", [train.batch, h.length / train.batch], h) } : {}),
      ...(labels ? { labels: tensor("int32", [train.batch], labels) } : {}),
      ...(keep ? { keep: tensor("float32", [train.batch], keep) } : {}),
      ...(sees ? { sees: tensor("float32", [train.batch], sees) } : {}),
      weights: vector(weights),
      first: vector(first),
      second: vector(second),
      average: vector(average),
      schedule: tensor("float32", [SCHEDULE_SIZE], scheduleVector(t + 1, 1e-2, train, 0.5)),
    });
    losses.push(Number(out.loss!.data[0]) / train.batch);
    const next = (name: string): Float32Array => out[`next_${name}`]!.data as Float32Array;
    [weights, first, second, average] = [next("weights"), next("first"), next("second"), next("average")];
    gradient ??= first;
  }
  await session.close();
  return { losses, first: gradient! };
}

test.each(RUNS)("shards, some images at a time, are the whole step: %s", async (_, config, data) => {
  const read = await openBatches(config, data());
  const batches = await Promise.all([0, 1, 2].map((step) => read(step)));
  const expected = await whole(config, batches);
  const { model, train } = config;
  const stepper = await openStepper({
    model,
    batch: train.batch,
    adam: train,
    start: startOf(config),
    shard: 2,
    threads: 2,
  });
  try {
    for (const [t, batch] of batches.entries()) {
      const { loss } = await stepper.step({ ...batch, schedule: scheduleVector(t + 1, 1e-2, train, 0.5) });
      expect(Math.abs(loss / expected.losses[t]! - 1), `loss of step ${t + 1}`).toBeLessThan(1e-5);
      if (t > 0) continue;
      // A tenth of the gradient, after one step from nothing.
      const { first } = stepper.state();
      const largest = Math.max(...expected.first.map(Math.abs));
      expect(expected.first.filter((v) => Math.abs(v) > 1e-6 * largest).length / first.length).toBeGreaterThan(0.4);
      for (const [i, v] of first.entries()) expect(Math.abs(v - expected.first[i]!)).toBeLessThan(1e-5 * largest);
    }
  } finally {
    await stepper.close();
  }
});

test.each(RUNS.filter(([, { model }]) => separable(model)))(
  "a shard that goes through the network two images at a time is the same sum: %s",
  async (_, config, data) => {
    const { model } = config;
    const { pixels, condition: h, keep, sees } = await (await openBatches(config, data()))(0);
    const found = await Promise.all(
      [6, 2].map(async (chunk) => {
        const session = await openSession(compile(gradientGraph(model, 6, chunk)), { threads: 1 });
        const { weights } = startOf(config);
        const out = await session.run({
          pixels: tensor("uint8", [6, 6, 5, 1], pixels),
          ...(h ? { condition: tensor("float32", [6, h.length / 6], h) } : {}),
          ...(keep ? { keep: tensor("float32", [6], keep) } : {}),
          ...(sees ? { sees: tensor("float32", [6], sees) } : {}),
          weights: tensor("float32", [weights.length], weights),
        });
        await session.close();
        return [Number(out.loss!.data[0]), ...(out.gradient!.data as Float32Array)];
      }),
    );
    const [together, apart] = found as [number[], number[]];
    const largest = Math.max(...together.slice(1).map(Math.abs));
    expect(together.filter((v) => Math.abs(v) > 1e-6 * largest).length / together.length).toBeGreaterThan(0.4);
    for (const [i, v] of together.entries())
      expect(Math.abs(apart[i]! - v)).toBeLessThan(1e-5 * Math.max(largest, Math.abs(v)));
  },
);

test("nothing said of what to keep and to show is all", async () => {
  const config = runOf({ family: "autoencoder", latents: 3, encoder, decoder: { kind: "pixelcnn", ...small } });
  const { model, train } = config;
  const { pixels } = await (await openBatches(config, stripes()))(0);
  const lossOf = async (input: Partial<TrainBatch>): Promise<number> => {
    const stepper = await openStepper({ model, batch: 6, adam: train, start: startOf(config), threads: 1 });
    const { loss } = await stepper.step({ pixels, schedule: new Float32Array(SCHEDULE_SIZE), ...input });
    await stepper.close();
    return loss;
  };
  const [zeros, ones] = [new Float32Array(6), new Float32Array(6).fill(1)];
  const all = await lossOf({});
  expect(await lossOf({ keep: ones, sees: ones })).toBe(all);
  expect(await lossOf({ keep: zeros })).not.toBeCloseTo(all, 3);
  expect(await lossOf({ sees: zeros })).not.toBeCloseTo(all, 3);
});

test(
  "a step without the condition or the labels that its model wants is refused, and one with too few " + "numbers",
  async () => {
    const schedule = new Float32Array(SCHEDULE_SIZE);
    const pixels = new Uint8Array(6 * 30);
    const say = async (config: RunConfig, input: Partial<TrainBatch>): Promise<string> => {
      const { model, train } = config;
      const stepper = await openStepper({ model, batch: 6, adam: train, start: initialState(config), threads: 1 });
      try {
        return await stepper.step({ pixels, schedule, ...input }).then(
          () => "nothing",
          (error) => `${error.kind}: ${error.message}`,
        );
      } finally {
        await stepper.close();
      }
    };
    const named = (name: string): RunConfig => RUNS.find(([of]) => of === name)![1];
    const [classes, maps, embedder] = [
      named("classes, some left out"),
      named("maps, some left out"),
      named("an embedder"),
    ];
    expect(await say(classes, {})).toBe("usage: expected a condition of 3 numbers an image but received none");
    expect(await say(maps, {})).toBe("usage: expected a condition of 8 numbers an image but received none");
    expect(await say(embedder, {})).toBe("usage: expected a label an image but received none");
    expect(await say(classes, { condition: new Float32Array(17) })).toBe(
      "usage: expected a condition of 3 numbers for each of 6 images but received 17 numbers",
    );
    expect(await say(embedder, { labels: new Int32Array(5) })).toBe(
      "usage: expected a label for each of 6 images but received 5",
    );
    expect(await say(classes, { condition: new Float32Array(18) })).toBe("nothing");
    expect(await say(named("an auto-encoder"), { sees: new Float32Array(5) })).toBe(
      "usage: expected a number of sees for each of 6 images but received 5",
    );
    await expect(
      openStepper({ model: classes.model, batch: 6, adam: classes.train, start: initialState(classes), shard: 4 }),
    ).rejects.toThrow("expected a shard that divides the batch of 6 images but received 4");
  },
);
