/**
 * The training step against PyTorch, which knows nothing of our graphs: two-layer models, random weights, every bias
 * and condition non-zero. Of the Gated PixelCNN ten steps of training too; of the Row LSTM and the Diagonal BiLSTM, two
 * LSTM layers each, loss and all gradients. The numbers are PyTorch's in float64 (test/golden/torch_golden.py); ours
 * are float32.
 */

import { describe, expect, test } from "vitest";
import { likelihoodGraph } from "../measure/likelihood.ts";
import { conditionNumbersOf } from "../models/condition.ts";
import { pixelcnnParameters } from "../models/networks.ts";
import { flatBlocks } from "../network/parameters.ts";
import type { Graph } from "../onnx/graph.ts";
import { compile, openSession } from "../onnx/session.ts";
import { type DTypes, type Tensor, tensor } from "../tensor.ts";
import { SCHEDULE_SIZE, scheduleVector } from "./adam.ts";
import { gradientGraph, stepGraph } from "./step.ts";
import { openStepper } from "./stepper.ts";
import {
  distances,
  GOLDEN,
  type Golden,
  RECURRENT_GOLDEN,
  readGolden,
  readRecurrentGolden,
  type TrainedGolden,
} from "./torch-golden.test-support.ts";

/** What the issue asks. float32 itself is within 1e-6 (torch_golden.py refuses a seed where it ends 1e-5 away). */
const RELATIVE = 1e-4;
/**
 * Numbers below this are taken as if they were this large: 1e-4 of it is the rounding of a sum of float32 numbers
 * near 1.
 */
const FLOOR = 1e-3;

const within = (a: number, b: number): number => Math.abs(a - b) / Math.max(FLOOR, Math.abs(b));
const numbers = (t: Tensor | undefined): Float32Array => t!.data as DTypes["float32"];

function imagesOf({ model, batch, pixels, h }: Golden): Record<string, Tensor> {
  const { height, width, channels, condition } = model;
  return {
    pixels: tensor("uint8", [batch, height, width, channels], pixels),
    ...(h && condition ? { condition: tensor("float32", [batch, conditionNumbersOf(condition)], h) } : {}),
    ...(condition ? { sees: tensor("float32", [batch], new Float32Array(batch).fill(1)) } : {}),
  };
}

async function runOnce(graph: Graph, inputs: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const session = await openSession(compile(graph), { threads: 1 });
  try {
    return await session.run(inputs);
  } finally {
    await session.close();
  }
}

interface Trained {
  readonly losses: number[];
  readonly norms: number[];
  readonly weights: Float32Array;
  readonly average: Float32Array;
}

/** The golden file's schedule: a linear warm-up, then constant; the average forgets at one pace. */
const scheduleOf = ({ adam, settings }: TrainedGolden, t: number): Float32Array =>
  scheduleVector(t, adam.learningRate * Math.min(1, t / adam.warmup), settings, adam.averageDecay);

/** All steps through the whole-step graph. */
async function trainWhole(golden: TrainedGolden): Promise<Trained> {
  const { model, batch, settings, adam } = golden;
  const session = await openSession(compile(stepGraph(model, batch, settings)), { threads: 1 });
  const [losses, norms]: [number[], number[]] = [[], []];
  const vector = (data: Float32Array): Tensor => tensor("float32", [data.length], data);
  let [weights, average] = [golden.weights, golden.weights];
  let [first, second] = [new Float32Array(weights.length), new Float32Array(weights.length)];
  try {
    for (let t = 1; t <= adam.steps; t++) {
      const state = {
        weights: vector(weights),
        first: vector(first),
        second: vector(second),
        average: vector(average),
      };
      const schedule = tensor("float32", [SCHEDULE_SIZE], scheduleOf(golden, t));
      const outputs = await session.run({ ...imagesOf(golden), ...state, schedule });
      losses.push(numbers(outputs.loss)[0]! / batch);
      norms.push(numbers(outputs.norm)[0]!);
      [weights, average] = [numbers(outputs.next_weights), numbers(outputs.next_average)];
      [first, second] = [numbers(outputs.next_first), numbers(outputs.next_second)] as [typeof first, typeof second];
    }
  } finally {
    await session.close();
  }
  return { losses, norms, weights, average };
}

/** All steps through shards and an update. */
async function trainSharded(
  golden: TrainedGolden,
  { shard, threads }: { shard: number; threads: number },
): Promise<Trained> {
  const { model, batch, settings, adam, pixels, h, weights } = golden;
  const zero = (): Float32Array => new Float32Array(weights.length);
  const start = { weights, first: zero(), second: zero(), average: weights };
  const stepper = await openStepper({ model, batch, adam: settings, start, shard, threads });
  const [losses, norms]: [number[], number[]] = [[], []];
  try {
    for (let t = 1; t <= adam.steps; t++) {
      const { loss, norm } = await stepper.step({
        pixels,
        ...(h ? { condition: h } : {}),
        schedule: scheduleOf(golden, t),
      });
      losses.push(loss);
      norms.push(norm);
    }
    const state = stepper.state();
    return { losses, norms, weights: state.weights, average: state.average };
  } finally {
    await stepper.close();
  }
}

/** Log-probabilities, loss and gradients are PyTorch's. */
function testGolden(golden: Golden): void {
  const { model, batch, weights } = golden;
  const flat = tensor("float32", [weights.length], weights);

  test("has PyTorch's log-probability of each image", async () => {
    const { logProbabilities } = await runOnce(likelihoodGraph(model, batch), { ...imagesOf(golden), weights: flat });
    golden.logProbabilities.forEach((expected, i) => {
      const size = model.height * model.width * model.channels;
      const image = numbers(logProbabilities).subarray(i * size, (i + 1) * size);
      expect(
        within(
          image.reduce((sum, x) => sum + x, 0),
          expected,
        ),
        `image ${i}`,
      ).toBeLessThan(RELATIVE);
    });
    expect(golden.logProbabilities).toHaveLength(batch);
  });

  test("has PyTorch's loss and all of its gradients", async () => {
    const { loss, gradient } = await runOnce(gradientGraph(model, batch), { ...imagesOf(golden), weights: flat });
    expect(within(numbers(loss)[0]! / batch, golden.loss)).toBeLessThan(RELATIVE);
    const mean = numbers(gradient).map((x) => x / batch);
    const far = [...distances(model, mean, golden.gradients, FLOOR)].filter(([, distance]) => !(distance < RELATIVE));
    expect(far).toEqual([]);
  });

  test("decays exactly the weights, W and V, and no bias", () => {
    for (const { parts, decays } of flatBlocks(pixelcnnParameters(model)))
      for (const part of parts) expect(decays, part.name).toBe(/\.[WV](_[a-z])?$/.test(part.name));
  });
}

describe.each(GOLDEN)("a two-layer model (%s)", (name) => {
  const golden = readGolden(name);
  const { model, batch, weights, adam } = golden;
  const flat = tensor("float32", [weights.length], weights);

  testGolden(golden);

  const ways: [string, () => Promise<Trained>][] = [
    ["the whole step as one graph", () => trainWhole(golden)],
    ["a shard an image, 1 thread", () => trainSharded(golden, { shard: 1, threads: 1 })],
    ["a shard an image, 2 threads", () => trainSharded(golden, { shard: 1, threads: 2 })],
    ["one shard of all images, 1 thread", () => trainSharded(golden, { shard: 3, threads: 1 })],
    ["one shard of all images, 2 threads", () => trainSharded(golden, { shard: 3, threads: 2 })],
  ];
  test.each(ways)(
    "ten clipped Adam steps with warm-up, decay and averaging end where PyTorch's do: %s",
    async (_, run) => {
      const trained = await run();
      adam.losses.forEach((expected, i) => {
        expect(within(trained.losses[i]!, expected), `loss of step ${i + 1}`).toBeLessThan(RELATIVE);
      });
      adam.gradientNorms.forEach((expected, i) => {
        expect(within(trained.norms[i]!, expected), `norm of step ${i + 1}`).toBeLessThan(RELATIVE);
      });
      for (const which of ["parameters", "average"] as const) {
        const found = which === "parameters" ? trained.weights : trained.average;
        const far = [...distances(model, found, adam[which], FLOOR)].filter(([, distance]) => !(distance < RELATIVE));
        expect(far, which).toEqual([]);
      }
      expect([trained.losses.length, trained.norms.length]).toEqual([10, 10]);
    },
  );

  test("a gradient above the clip is scaled down to it, one below is left; a clip of 0 is none", async () => {
    const norm = adam.gradientNorms[0]!;
    for (const [clip, factor] of [
      [norm / 4, 1 / 4],
      [norm * 4, 1],
      [0, 1],
    ] as const) {
      const settings = { ...golden.settings, clip };
      const zero = tensor("float32", [weights.length], new Float32Array(weights.length));
      const outputs = await runOnce(stepGraph(model, batch, settings), {
        ...imagesOf(golden),
        weights: flat,
        first: zero,
        second: zero,
        average: flat,
        schedule: tensor("float32", [SCHEDULE_SIZE], scheduleVector(1, 0, settings, 0)),
      });
      // The first moment after one step from 0 is (1 - beta1) times the gradient that Adam was given.
      const given = numbers(outputs.next_first).map((x) => x / (1 - settings.beta1) / factor);
      const far = [...distances(model, given, golden.gradients, FLOOR)].filter(
        ([, distance]) => !(distance < RELATIVE),
      );
      expect(far, `clip ${clip}`).toEqual([]);
      expect(within(numbers(outputs.norm)[0]!, norm)).toBeLessThan(RELATIVE);
    }
  });

  test("clipping was at work: every golden norm is above the clip", () => {
    expect(adam.gradientNorms.every((norm) => norm > adam.clip)).toBe(true);
  });
});

describe.each(RECURRENT_GOLDEN)("two LSTM layers (%s)", (name) => {
  testGolden(readRecurrentGolden(name));
});
