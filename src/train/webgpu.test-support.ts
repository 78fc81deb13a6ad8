/**
 * Run as a process, `webgpu.test-support.ts DEVICE MODEL..`: 20 whole steps of each model; prints, as JSON, the losses
 * and where the weights end.
 */

import { pathToFileURL } from "node:url";
import { conditionNumbersOf } from "../models/condition.ts";
import { pixelcnnParameters } from "../models/networks.ts";
import { resolvePixelcnn } from "../models/schema.ts";
import { flatten, initialise } from "../network/parameters.ts";
import { checkDevice, type Device } from "../onnx/session.ts";
import { randomFrom } from "../random.ts";
import { scheduleVector } from "./adam.ts";
import { openStepper } from "./stepper.ts";

const shape = { firstKernel: 5, dilations: [1, 2] };
const MODELS = {
  grey: resolvePixelcnn({
    ...shape,
    height: 8,
    width: 8,
    channels: 1,
    levels: 4,
    features: 8,
    depth: 3,
    skip: 8,
    head: { features: 16 },
    condition: { kind: "vector", size: 3 },
  }),
  colour: resolvePixelcnn({
    ...shape,
    height: 5,
    width: 6,
    channels: 3,
    levels: 256,
    features: 6,
    depth: 2,
    skip: 0,
    head: { features: 6 },
  }),
};
export type ModelName = keyof typeof MODELS;

export interface Steps {
  readonly device: Device;
  readonly losses: number[];
  readonly norms: number[];
  readonly weights: number[];
  readonly average: number[];
}

/** 20 steps on images with something to learn: a bright upper half under noise. */
export async function twentySteps(name: ModelName, device: Device): Promise<Steps> {
  const model = MODELS[name];
  const { height, width, channels, levels, condition } = model;
  const batch = 4;
  const adam = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.01, clip: 5 };
  const specs = pixelcnnParameters(model);
  const weights = flatten(specs, initialise(specs, randomFrom(3)));
  const zero = (): Float32Array => new Float32Array(weights.length);
  const start = { weights, first: zero(), second: zero(), average: weights };
  const stepper = await openStepper({ model, batch, adam, start, device, ...(device === "cpu" ? { threads: 1 } : {}) });
  const random = randomFrom(4);
  const each = height * width * channels;
  const [losses, norms]: [number[], number[]] = [[], []];
  for (let t = 1; t <= 20; t++) {
    const pixels = Uint8Array.from(
      { length: batch * each },
      (_, i) => (2 * (i % each) < each ? levels - 2 : 0) + random.below(2),
    );
    const h = condition
      ? {
          condition: Float32Array.from({ length: batch * conditionNumbersOf(condition) }, () => random.uniform() - 0.5),
          sees: Float32Array.of(1, 1, t % 2, 1),
        }
      : {};
    const { loss, norm } = await stepper.step({ pixels, ...h, schedule: scheduleVector(t, 5e-3, adam, 0.9) });
    losses.push(loss);
    norms.push(norm);
  }
  const state = stepper.state();
  await stepper.close();
  return { device: stepper.device, losses, norms, weights: [...state.weights], average: [...state.average] };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const device = checkDevice(process.argv[2] ?? "cpu");
  const results: Record<string, Steps> = {};
  for (const name of process.argv.slice(3) as ModelName[]) results[name] = await twentySteps(name, device);
  console.log(JSON.stringify(results));
}
