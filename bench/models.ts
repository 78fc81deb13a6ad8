/**
 * Do the shipped models still give the figures that are published with them? Measures each on the whole of its own test
 * set, beside the last test of its log, and prints a row of models/README.md each.
 *   node bench/models.ts [NAME ...] [--threads N]
 * Exits with 1 where a figure differs by more than 0.01 nats an image.
 */

import { parseArgs } from "node:util";
import { openTerminal } from "../src/cli/terminal.ts";
import { evaluate } from "../src/measure/evaluate.ts";
import { openDescribed } from "../src/runs/model-data.ts";
import { folderOf, openModel } from "../src/runs/open-model.ts";
import { lastOfLog } from "../src/runs/run-log.ts";
import { shippedModels } from "../src/runs/shipped-models.ts";

const { values, positionals } = parseArgs({ options: { threads: { type: "string" } }, allowPositionals: true });
const threads = values.threads === undefined ? undefined : Number(values.threads);
/** float32 sums on another machine differ in the fourth digit behind the point. */
const TOLERANCE = 0.01;

const terminal = openTerminal();
console.log("| name | test images | nats an image | bits/dim | published | seconds |");
console.log("| --- | ---: | ---: | ---: | ---: | ---: |");
for (const name of positionals.length > 0 ? positionals : shippedModels()) {
  const model = await openModel(name);
  const { evaluation: published } = await lastOfLog(folderOf(model));
  const { data, whole } = await openDescribed(model, { split: "test", threads, tell: terminal.warn });
  const started = performance.now();
  const measured = await evaluate(model, data, { threads, onProgress: terminal.counter(name, "images") });
  terminal.endProgress();
  await whole.close?.();
  if (measured.kind !== "likelihood") throw new Error(`expected a likelihood of ${name} but received ${measured.kind}`);
  const { images, nats, bitsPerDim } = measured;
  const before = published && "nats" in published ? published.nats : Number.NaN;
  const seconds = (performance.now() - started) / 1000;
  const cells = [name, images, nats.toFixed(2), bitsPerDim.toFixed(4), before.toFixed(2), seconds.toFixed(0)];
  console.log(`| ${cells.join(" | ")} |`);
  if (!(Math.abs(nats - before) <= TOLERANCE)) {
    process.exitCode = 1;
    terminal.note(`${name}: expected ${before.toFixed(4)} nats, as its log says, but measured ${nats.toFixed(4)}`);
  }
}
