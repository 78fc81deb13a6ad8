/**
 * What does a sample of each family cost? The exact engine, which does constant work per pixel, beside one full pass of
 * the network per sub-pixel on ONNX Runtime; and the exact engine's time per pixel at 56x56 over 28x28.
 *   node bench/families.ts [--rounds 5] [--only row-lstm,diagonal-bilstm] [--no-full-passes]
 * The models are the MNIST presets, about equal in parameters, untrained with every weight random; speed does not
 * depend on the weights. All on one thread, in processor time: clocks of shared machines drift.
 */

import { parseArgs } from "node:util";
import { createEngine } from "../src/exact/engine.ts";
import { sampleByFullPasses } from "../src/measure/full-pass.ts";
import { pixelcnnParameters } from "../src/models/networks.ts";
import { resolvePixelcnn } from "../src/models/schema.ts";
import { initialise } from "../src/network/parameters.ts";
import { randomFrom } from "../src/random.ts";
import { PRESETS } from "../src/runs/presets.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    only: { type: "string" },
    "no-full-passes": { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const names = ["mnist-gated-pixelcnn", "mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"] as const;

/** Milliseconds of the processor that a call takes. */
async function cpu(call: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await call();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const median = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)]!;

console.log(`one 28x28 binary image, one thread, processor time; median of ${rounds}, full passes once`);
console.log("family            parameters   exact engine   56x56 over 28x28, a pixel   full passes     ratio");
for (const name of names) {
  const config = resolvePixelcnn({ height: 28, width: 28, channels: 1, levels: 2, ...PRESETS[name].model });
  const { family } = config;
  if (values.only && !values.only.split(",").includes(family)) continue;
  const specs = pixelcnnParameters(config).map((spec) => ({ ...spec, bound: spec.bound || 0.1 }));
  const model = { config, parameters: initialise(specs, randomFrom(3)) };
  const engine = createEngine(model);
  const draw = (size: number): Promise<number> =>
    cpu(() => engine.sample({ count: 1, height: size, width: size, seed: 1 }));
  await draw(28);
  await draw(56);
  const pairs: { small: number; large: number }[] = [];
  for (let i = 0; i < rounds; i++) pairs.push({ small: await draw(28), large: await draw(56) });
  await engine.close();
  const exact = median(pairs.map(({ small }) => small));
  const growth = median(pairs.map(({ small, large }) => large / small / 4));
  const parameters = specs.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const left =
    family.padEnd(18) +
    String(parameters).padStart(10) +
    `${exact.toFixed(1)} ms`.padStart(15) +
    `${growth.toFixed(2)}x`.padStart(28);
  if (values["no-full-passes"]) {
    console.log(left);
    continue;
  }
  // The session opens within it: what is measured is 784 passes of 28x28.
  const full = await cpu(() => sampleByFullPasses(model, { count: 1, seed: 1, threads: 1, batch: 1 }));
  console.log(`${left}${`${(full / 1000).toFixed(1)} s`.padStart(14)}${`${(full / exact).toFixed(0)}x`.padStart(10)}`);
}
