/**
 * How fast is the exact engine? One sample and 64 at once, beside PyTorch's full-pass sampler and a cached per-pixel
 * sampler, and its own ratios; and, for each family, whether a pixel of a large image costs what one of a small image
 * does.
 *   node bench/exact-engine.ts [--depth 10] [--features 32] [--rounds 5] [--no-peers]
 * The model is untrained with every weight random; speed does not depend on the weights. Peers:
 * bench/peers/sample_naive.py, sample_cached.py.
 */

import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createEngine, type Engine } from "../src/exact/engine.ts";
import type { PixelcnnConfig } from "../src/models/config.ts";
import { pixelcnnParameters } from "../src/models/networks.ts";
import { resolvePixelcnn } from "../src/models/schema.ts";
import { initialise } from "../src/network/parameters.ts";
import { randomFrom } from "../src/random.ts";

const { values } = parseArgs({
  options: {
    depth: { type: "string", default: "10" },
    features: { type: "string", default: "32" },
    rounds: { type: "string", default: "5" },
    "no-peers": { type: "boolean", default: false },
  },
});
const [depth, features, rounds] = [values.depth, values.features, values.rounds].map(Number) as [
  number,
  number,
  number,
];

const image28 = { height: 28, width: 28, channels: 1, levels: 2 };
const layers = { depth, dilations: [1, 2, 4] };
const gated = resolvePixelcnn({ ...image28, ...layers, features, skip: features, head: { features: 2 * features } });
/** About as many parameters as the gated model: 50 features for 32, as the preset mnist-pixelcnn has. */
const plainFeatures = Math.round((features * 50) / 32);
const plain = resolvePixelcnn({
  family: "pixelcnn",
  ...image28,
  ...layers,
  features: plainFeatures,
  head: { features: 2 * features },
});

function engineOf(threads: number, config: PixelcnnConfig = gated): Engine {
  const specs = pixelcnnParameters(config).map((spec) => ({ ...spec, bound: spec.bound || 0.1 }));
  return createEngine({ config, parameters: initialise(specs, randomFrom(3)) }, { threads });
}

/** Median and best milliseconds of a call, after one that warms up. */
async function time(call: () => Promise<unknown>): Promise<{ median: number; best: number }> {
  await call();
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const started = performance.now();
    await call();
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  return { median: times[Math.floor(times.length / 2)]!, best: times[0]! };
}

/**
 * Median milliseconds of one sample of 28x28, and the median ratio of time a pixel of one of 56x56 over it, drawn in
 * turn. In time of the processor, all of it this thread's: a longer call meets more of whatever else the machine does.
 */
async function bySize(engine: Engine): Promise<{ small: number; ratio: number }> {
  const draw = async (size: number): Promise<number> => {
    const before = process.cpuUsage();
    await engine.sample({ count: 1, height: size, width: size, seed: 1 });
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  await draw(28);
  await draw(56);
  const pairs: { small: number; large: number }[] = [];
  for (let i = 0; i < rounds; i++) pairs.push({ small: await draw(28), large: await draw(56) });
  const median = (of: (pair: { small: number; large: number }) => number): number =>
    pairs.map(of).sort((a, b) => a - b)[Math.floor(rounds / 2)]!;
  return { small: median((p) => p.small), ratio: median((p) => p.large / p.small / 4) };
}

const line = (what: string, ms: number, note = ""): void =>
  console.log(`${what.padEnd(52)}${ms.toFixed(2).padStart(10)} ms  ${note}`);

const engine = engineOf(0);
const sample = (count: number) => time(() => engine.sample({ count, height: 28, width: 28, seed: 1 }));
const one = await sample(1);
const many = await sample(64);
const gatedBySize = await bySize(engine);
const image = (await engine.sample({ count: 1, height: 28, width: 28, seed: 1 })).pixels;
const scored = await time(() => engine.score({ images: { height: 28, width: 28, pixels: image } }));
await engine.close();
const twoThreads = engineOf(2);
const onTwo = await time(() => twoThreads.sample({ count: 64, height: 28, width: 28, seed: 1 }));
await twoThreads.close();
const plainEngine = engineOf(0, plain);
const plainBySize = await bySize(plainEngine);
await plainEngine.close();

console.log(`28x28 binary, ${depth} layers, F = ${features}; median of ${rounds}`);
line("one image, pixel by pixel", one.median, `best ${one.best.toFixed(2)}`);
line(
  "one image, rows as products (score, encode)",
  scored.median,
  `${(one.median / scored.median).toFixed(2)}x as fast`,
);
line("64 in lock step, per image", many.median / 64, `${((one.median * 64) / many.median).toFixed(2)}x as fast`);
line("64 on two threads, per image", onTwo.median / 64, `${(many.median / onTwo.median).toFixed(2)}x one thread`);
console.log("A pixel of 56x56 over one of 28x28, in time of the processor:");
line(`Gated PixelCNN, F = ${features}: a 28x28 image`, gatedBySize.small, `${gatedBySize.ratio.toFixed(2)}x at 56x56`);
line(
  `plain PixelCNN, F = ${plainFeatures}: a 28x28 image`,
  plainBySize.small,
  `${plainBySize.ratio.toFixed(2)}x at 56x56`,
);

if (!values["no-peers"]) {
  const peers = join(dirname(fileURLToPath(import.meta.url)), "peers");
  const peer = (script: string, ...extra: (string | number)[]): number => {
    const args = [script, "--depth", depth, "--features", features, ...extra].map(String);
    const { stdout, stderr, status } = spawnSync("/usr/bin/python3", args, { cwd: peers, encoding: "utf8" });
    if (status !== 0) throw new Error(`PyTorch's side failed (apt-get install python3-torch?): ${stderr}`);
    const result = JSON.parse(stdout.trim().split("\n").at(-1)!) as { msPerImage: number; blas?: string };
    if (result.blas) console.log(`  (${script} ran on ${result.blas})`);
    return result.msPerImage;
  };
  const naive = peer("sample_naive.py", "--count", 1, "--pixels", 100);
  line("PyTorch, a full pass a pixel, one image", naive, `ours ${(naive / one.median).toFixed(0)}x as fast`);
  const cachedOne = peer("sample_cached.py", "--count", 1);
  line("PyTorch, cached, one image", cachedOne, `ours ${(cachedOne / one.median).toFixed(1)}x as fast`);
  const cached = peer("sample_cached.py", "--count", 64, "--threads", 2);
  line(
    "PyTorch, cached, 64 at once on two threads, an image",
    cached,
    `ours on two threads ${((cached * 64) / onTwo.median).toFixed(2)}x as fast`,
  );
}
