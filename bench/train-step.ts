/**
 * How fast is our training step beside PyTorch's, on this CPU? The same model, batch and threads, in turn, in one run;
 * images per second.
 *   node bench/train-step.ts [--features 32,64,128] [--batch 16] [--threads 2] [--seconds 10] [--rounds 2]
 *     [--shard N] [--only ours]
 * Peers (bench/peers/train_step.py, Debian's python3-torch): `tuned` (cropped kernels, channels_last, hand-written gate
 * gradient, flat optimizer, allocator told to keep memory), `plain` (cropped kernels, channels_last, library autograd
 * and AdamW) and `masked` (full kernel times a mask).
 */

import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { pixelcnnParameters } from "../src/models/networks.ts";
import { resolvePixelcnn } from "../src/models/schema.ts";
import { flatten, initialise } from "../src/network/parameters.ts";
import { randomFrom } from "../src/random.ts";
import { scheduleVector } from "../src/train/adam.ts";
import { openStepper } from "../src/train/stepper.ts";

const { values } = parseArgs({
  options: {
    features: { type: "string", default: "32,64,128" },
    batch: { type: "string", default: "16" },
    threads: { type: "string", default: "2" },
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "2" },
    shard: { type: "string" },
    only: { type: "string" },
  },
});
const [batch, threads, seconds, rounds] = [values.batch, values.threads, values.seconds, values.rounds].map(Number) as [
  number,
  number,
  number,
  number,
];
const adam = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.01, clip: 1 };

async function ours(features: number): Promise<number> {
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
  const start = {
    weights,
    first: new Float32Array(weights.length),
    second: new Float32Array(weights.length),
    average: weights,
  };
  const stepper = await openStepper({
    model,
    batch,
    adam,
    start,
    threads,
    ...(values.shard ? { shard: Number(values.shard) } : {}),
  });
  const random = randomFrom(2);
  const pixels = Uint8Array.from({ length: batch * 784 }, () => random.below(2));
  const times: number[] = [];
  const until = performance.now() + seconds * 1000;
  for (let t = 1; times.length < 5 || performance.now() < until; t++) {
    const started = performance.now();
    await stepper.step({ pixels, schedule: scheduleVector(t, 1e-3, adam, 0.999) });
    if (t > 2) times.push(performance.now() - started);
  }
  await stepper.close();
  return (batch * 1000) / times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
}

const peers = join(dirname(fileURLToPath(import.meta.url)), "peers");
function theirs(features: number, extra: string[], speed: number): number {
  const steps = Math.max(5, Math.round((seconds * speed) / batch));
  const args = [
    "train_step.py",
    "--features",
    features,
    "--depth",
    8,
    "--batch",
    batch,
    "--threads",
    threads,
    "--steps",
    steps,
    "--warmup",
    3,
    ...extra,
  ].map(String);
  const { stdout, stderr, status } = spawnSync("/usr/bin/python3", args, { cwd: peers, encoding: "utf8" });
  if (status !== 0) throw new Error(`PyTorch's side failed (apt-get install python3-torch?): ${stderr}`);
  return (JSON.parse(stdout) as { imagesPerSecond: number }).imagesPerSecond;
}

const variants: Record<string, string[]> = {
  tuned: ["--variant", "cropped", "--channels-last"],
  plain: [
    "--variant",
    "cropped",
    "--channels-last",
    "--gate",
    "plain",
    "--optimizer",
    "foreach",
    "--allocator",
    "default",
  ],
  masked: [
    "--variant",
    "masked",
    "--channels-last",
    "--gate",
    "plain",
    "--optimizer",
    "foreach",
    "--allocator",
    "default",
  ],
};

const middle = (xs: number[]): number => xs.sort((a, b) => a - b)[Math.floor(xs.length / 2)]!;
console.log(`28x28 binary, 8 layers, batch ${batch}, ${threads} threads; images a second (ours over theirs)`);
for (const features of values.features.split(",").map(Number)) {
  const mine: number[] = [];
  const others = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    mine.push(await ours(features));
    if (values.only === "ours") continue;
    for (const [name, extra] of Object.entries(variants))
      others.set(name, [...(others.get(name) ?? []), theirs(features, extra, mine[0]!)]);
  }
  const own = middle(mine);
  const cells = [...others].map(([name, xs]) => `${name} ${middle(xs).toFixed(1)} (${(own / middle(xs)).toFixed(2)}x)`);
  console.log(
    `F = ${String(features).padStart(3)}: ours ${own.toFixed(1)}  ${cells.join("  ")}  ` +
      `${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MB resident`,
  );
}
