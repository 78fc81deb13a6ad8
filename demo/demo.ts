/**
 * The main job on real data: samples of a model that ships, within seconds; then, from nothing, train a Gated PixelCNN
 * on MNIST, measure it on all 10,000 test images, sample, complete halves of digits, compress the test set and get it
 * back. Each stage is the command that a user would type; the demo only types it. `--minutes M` trains for another time
 * than six minutes.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, "demo-run");
const started = performance.now();

const flag = process.argv.indexOf("--minutes");
const minutes = flag < 0 ? 6 : Number(process.argv[flag + 1]);
if (!(minutes > 0 && minutes <= 600)) {
  process.stderr.write("expected --minutes from 0 to 600, such as: npm run demo -- --minutes 2\n");
  process.exit(2);
}

function step(title: string, args: string[], capture = false): string {
  const shown = args.map((arg) => (arg.startsWith(root) && relative(process.cwd(), arg)) || arg);
  process.stderr.write(`\n${title}\n$ npx pixelcnn ${shown.join(" ")}\n`);
  const { status, signal, stdout } = spawnSync(process.execPath, [join(root, "src", "cli", "main.ts"), ...args], {
    stdio: ["inherit", capture ? "pipe" : "inherit", "inherit"],
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) {
    process.stderr.write(`\nthe demo stopped here${signal ? ` (${signal})` : ""}\n`);
    process.exit(status ?? 130);
  }
  return stdout ?? "";
}

// A run of an earlier demo is kept aside, not overwritten.
if (existsSync(out)) {
  const aside = `${out}-${new Date().toISOString().replace(/[:.]/g, "-")}`;
  renameSync(out, aside);
  process.stderr.write(`the last demo's run is now ${relative(process.cwd(), aside)}\n`);
}

mkdirSync(out);
const shipped = join(out, "shipped.png");
step("0. Samples of a model that ships with pixelcnn", ["sample", "mnist-binary", "-n", "64", "-o", shipped]);
step(`1. Train on stochastically binarised MNIST for ${minutes} minutes`, [
  "train",
  "mnist",
  "--preset",
  "mnist-binary",
  "--out",
  out,
  "--minutes",
  String(minutes),
]);
const result = JSON.parse(
  step("2. The exact likelihood of all 10,000 test images", ["eval", out, "mnist", "--json"], true),
) as {
  nats: number;
  bitsPerDim: number;
  images: number;
};
process.stderr.write(
  `   ${result.nats.toFixed(2)} nats an image, ${result.bitsPerDim.toFixed(4)} bits/dim over ${result.images} images\n`,
);
step("3. Samples", ["sample", out, "-n", "64", "-o", join(out, "samples.png")]);
step("4. Half-digits, completed", [
  "complete",
  out,
  "mnist:test:0-7",
  "--rows",
  "14",
  "-n",
  "6",
  "-o",
  join(out, "completions.png"),
]);
process.stderr.write("\n5. The test set, compressed without loss and decompressed\n");
const compression = spawnSync(process.execPath, [join(root, "demo", "compression.ts"), out], {
  stdio: ["inherit", 2, 2],
});
if (compression.status !== 0) process.exit(compression.status ?? 130);

const at = (name: string): string => relative(process.cwd(), join(out, name));
process.stdout.write(
  `\ntest likelihood  ${result.nats.toFixed(2)} nats an image (${result.bitsPerDim.toFixed(4)} bits/dim) on ` +
    `${result.images} images\n` +
    `samples          ${at("samples.png")}\ncompletions      ${at("completions.png")}\nthe run          ${at("")} ` +
    "(config, weights, log, curve.svg)\n" +
    `whole demo       ${((performance.now() - started) / 60_000).toFixed(1)} minutes\n\n` +
    "Play with the models and look at the run in a page: npm run studio\n",
);
