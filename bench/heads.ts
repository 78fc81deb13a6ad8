/**
 * What does a head cost? Time of a training step, and images a second of the exact engine, with the categorical head
 * and with a mixture of logistics, in the network of a preset; one thread, in turn, in processor time: clocks of shared
 * machines drift.
 *   node bench/heads.ts [--preset fashion-mnist] [--channels 1] [--levels 256] [--components 10] [--rounds 9]
 * Weights are random: speed does not depend on them.
 */

import { parseArgs } from "node:util";
import { createEngine } from "../src/exact/engine.ts";
import { pixelcnnParameters } from "../src/models/networks.ts";
import { resolvePixelcnn } from "../src/models/schema.ts";
import { countOf, flatten, initialise } from "../src/network/parameters.ts";
import { randomFrom } from "../src/random.ts";
import { PRESETS } from "../src/runs/presets.ts";
import { scheduleVector } from "../src/train/adam.ts";
import { openStepper } from "../src/train/stepper.ts";

const { values } = parseArgs({
  options: {
    preset: { type: "string", default: "fashion-mnist" },
    channels: { type: "string", default: "1" },
    levels: { type: "string", default: "256" },
    components: { type: "string", default: "10" },
    rounds: { type: "string", default: "9" },
  },
});
const [channels, levels, components, rounds] = [values.channels, values.levels, values.components, values.rounds].map(
  Number,
) as [number, number, number, number];
const SIZE = values.preset === "cifar10" ? 32 : 28;
const BATCH = 16;
const ADAM = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0, clip: 100 };

/** Milliseconds of the processor that a call takes, all threads together. */
async function cpu(call: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await call();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const median = (all: readonly number[]): number => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)]!;

async function contender(kind: "categorical" | "mixture") {
  const preset = PRESETS[values.preset as "fashion-mnist"].model;
  const head = { ...preset.head, kind, ...(kind === "mixture" ? { components } : {}) };
  const config = resolvePixelcnn({ ...preset, head, height: SIZE, width: SIZE, channels, levels } as never);
  const specs = pixelcnnParameters(config).map((spec) => ({ ...spec, bound: spec.bound || 0.1 }));
  const parameters = initialise(specs, randomFrom(3));
  const weights = flatten(specs, parameters);
  const zeros = (): Float32Array => new Float32Array(weights.length);
  const start = { weights, first: zeros(), second: zeros(), average: weights.slice() };
  const stepper = await openStepper({ model: config, batch: BATCH, adam: ADAM, start, threads: 1 });
  const engine = createEngine({ config, parameters });
  const random = randomFrom(1);
  const pixels = Uint8Array.from({ length: BATCH * SIZE * SIZE * channels }, () => random.below(levels));
  const times = {
    "training step of 16": () => stepper.step({ pixels, schedule: scheduleVector(1, 1e-6, ADAM, 0.999) }),
    "one sample": () => engine.sample({ count: 1, seed: 1 }),
    "16 samples": () => engine.sample({ count: 16, seed: 1 }),
    "scoring 16": () => engine.score({ images: { height: SIZE, width: SIZE, pixels } }),
  };
  const close = async (): Promise<void> => {
    await stepper.close();
    await engine.close();
  };
  return { kind, parameters: countOf(specs), times, close };
}

const all = [await contender("categorical"), await contender("mixture")] as const;
console.log(`${values.preset}, ${SIZE}x${SIZE}x${channels}, ${levels} levels, median of ${rounds}, processor time`);
for (const { kind, parameters } of all) console.log(`${kind}: ${parameters} parameters`);
for (const what of ["training step of 16", "one sample", "16 samples", "scoring 16"] as const) {
  const found: number[][] = [[], []];
  for (let i = -1; i < rounds; i++)
    for (const [c, { times }] of all.entries()) {
      const time = await cpu(times[what]);
      if (i >= 0) found[c]!.push(time); // the first of each warms up
    }
  const [a, b] = found.map(median) as [number, number];
  const ratio = median(found[0]!.map((time, i) => time / found[1]![i]!));
  const words = `categorical ${a.toFixed(0)} ms, mixture ${b.toFixed(0)} ms`;
  console.log(`${what}: ${words}, categorical over mixture ${ratio.toFixed(2)}`);
}
for (const { close } of all) await close();
