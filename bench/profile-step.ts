/**
 * Where does a shard of a training step spend its time? Runs the gradient graph on one thread under ONNX Runtime's
 * profiler and sums by operator.
 *   node bench/profile-step.ts [--features 128] [--shard 4] [--runs 10]
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pixelcnnParameters } from "../src/models/networks.ts";
import { resolvePixelcnn } from "../src/models/schema.ts";
import { flatten, initialise } from "../src/network/parameters.ts";
import { compile, openSession } from "../src/onnx/session.ts";
import { randomFrom } from "../src/random.ts";
import { tensor } from "../src/tensor.ts";
import { gradientGraph } from "../src/train/step.ts";

const { values } = parseArgs({
  options: {
    features: { type: "string", default: "128" },
    shard: { type: "string", default: "4" },
    runs: { type: "string", default: "10" },
  },
});
const [features, shard, runs] = [values.features, values.shard, values.runs].map(Number) as [number, number, number];
const model = resolvePixelcnn({
  height: 28,
  width: 28,
  channels: 1,
  levels: 2,
  features,
  skip: features,
  depth: 8,
  head: { features: 2 * features },
});
const specs = pixelcnnParameters(model);
const weights = flatten(specs, initialise(specs, randomFrom(1)));
const random = randomFrom(2);
const pixels = Uint8Array.from({ length: shard * 784 }, () => random.below(2));
const program = compile(gradientGraph(model, shard));
const inputs = {
  pixels: tensor("uint8", [shard, 28, 28, 1], pixels),
  weights: tensor("float32", [weights.length], weights),
};

async function run(profile?: string): Promise<number> {
  const session = await openSession(program, { threads: 1, ...(profile ? { profile } : {}) });
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const started = performance.now();
    await session.run(inputs);
    times.push(performance.now() - started);
  }
  await session.close();
  return times.sort((a, b) => a - b)[Math.floor(runs / 2)]!;
}

const plain = await run();
const folder = mkdtempSync(join(tmpdir(), "pixelcnn-profile-"));
await run(join(folder, "trace"));
const trace = JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]!), "utf8")) as {
  cat: string;
  name: string;
  dur: number;
  args: { op_name?: string };
}[];
rmSync(folder, { recursive: true, force: true });

const sums = new Map<string, { time: number; count: number }>();
for (const { cat, name, dur, args } of trace) {
  if (cat !== "Node" || !name.endsWith("_kernel_time") || !args.op_name) continue;
  const sum = sums.get(args.op_name) ?? { time: 0, count: 0 };
  sums.set(args.op_name, { time: sum.time + dur / 1000 / runs, count: sum.count + 1 / runs });
}
const total = [...sums.values()].reduce((sum, { time }) => sum + time, 0);
console.log(
  `F = ${features}, ${shard} images on one thread: ${plain.toFixed(1)} ms unprofiled, ${total.toFixed(1)} ms in ` +
    "operators when profiled",
);
for (const [name, { time, count }] of [...sums].sort((a, b) => b[1].time - a[1].time).slice(0, 12)) {
  console.log(
    `${name.padEnd(12)} ${((100 * time) / total).toFixed(1).padStart(5)} %  ${time.toFixed(2).padStart(8)} ms  ` +
      `${count.toFixed(0).padStart(5)} calls`,
  );
}
