/**
 * How fast is the exact engine? One sample and 64 at once, beside PyTorch's full-pass sampler and a cached per-pixel
 * sampler, and its own ratios. (bench/families.ts compares the families.)
 *   node bench/exact-engine.ts [--depth 10] [--features 32] [--rounds 5] [--no-peers]
 * The model is untrained with every weight random; speed does not depend on the weights. Peers:
 * bench/peers/sample_naive.py, sample_cached.py.
 */

import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createEngine, type Engine } from "../src/exact/engine.ts";
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
function engineOf(threads: number): Engine {
  const specs = pixelcnnParameters(gated).map((spec) => ({ ...spec, bound: spec.bound || 0.1 }));
  return createEngine({ config: gated, parameters: initialise(specs, randomFrom(3)) }, { threads });
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

const line = (what: string, ms: number, note = ""): void =>
  console.log(`${what.padEnd(52)}${ms.toFixed(2).padStart(10)} ms  ${note}`);

const engine = engineOf(0);
const sample = (count: number) => time(() => engine.sample({ count, height: 28, width: 28, seed: 1 }));
const one = await sample(1);
const many = await sample(64);
const image = (await engine.sample({ count: 1, height: 28, width: 28, seed: 1 })).pixels;
const scored = await time(() => engine.score({ images: { height: 28, width: 28, pixels: image } }));
await engine.close();
const twoThreads = engineOf(2);
const onTwo = await time(() => twoThreads.sample({ count: 64, height: 28, width: 28, seed: 1 }));
await twoThreads.close();
console.log(`28x28 binary, ${depth} layers, F = ${features}; median of ${rounds}`);
line("one image, pixel by pixel", one.median, `best ${one.best.toFixed(2)}`);
line(
  "one image, rows as products (score, encode)",
  scored.median,
  `${(one.median / scored.median).toFixed(2)}x as fast`,
);
line("64 in lock step, per image", many.median / 64, `${((one.median * 64) / many.median).toFixed(2)}x as fast`);
line("64 on two threads, per image", onTwo.median / 64, `${(many.median / onTwo.median).toFixed(2)}x one thread`);

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
