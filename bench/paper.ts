/**
 * Which family is worth what? Gated PixelCNN, plain PixelCNN, Row LSTM and Diagonal BiLSTM on dynamically binarised
 * MNIST, with equally many parameters: once for equally many steps, once for equally long.
 *   node bench/paper.ts --out runs/paper [--minutes 20] [--steps 2000] [--only gated,plain,row-lstm,diagonal-bilstm]
 *     [--part steps,time] [--threads N] [--eval-limit N] [--seed 1] [--table]
 * Each run has a folder under --out. The same command again goes on where it stopped (Ctrl-C saves), and skips what is
 * finished. Families may train side by side, each --only of a command of its own with --threads 1: under any load each
 * then has the same share of the machine. --table only writes the table (table.md, table.json) and the picture
 * (nats.svg) of what there is.
 * --eval-limit: test images at a checkpoint and at the end; default 1,000, and at the end all 10,000.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { numberOption } from "../src/cli/options/number-option.ts";
import { openTerminal } from "../src/cli/terminal.ts";
import { fail, PixelcnnError } from "../src/errors.ts";
import { createEngine } from "../src/exact/engine.ts";
import { openPixelcnn } from "../src/runs/open-model.ts";
import { makeFolder, writeWhole } from "../src/runs/run-folder.ts";
import { resumeRun, startRun } from "../src/runs/start-run.ts";
import { trainRun } from "../src/runs/train-run.ts";
import type { TrainConfig } from "../src/train/config.ts";
import { duration } from "../src/words.ts";
import { type Curve, chartOf } from "./paper/chart.ts";
import { checkCounts, chosenFamilies, FAMILIES, type Family, PUBLISHED, parametersOf } from "./paper/families.ts";
import { checkSame, readRecord, workLeft } from "./paper/run-record.ts";
import { markdownOf, type Part, type Row, rowOf } from "./paper/table.ts";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    minutes: { type: "string", default: "20" },
    steps: { type: "string", default: "2000" },
    only: { type: "string" },
    part: { type: "string" },
    threads: { type: "string" },
    "eval-limit": { type: "string" },
    seed: { type: "string", default: "1" },
    table: { type: "boolean", default: false },
  },
});

/** Test images at a checkpoint, where no --eval-limit is given: some seconds. */
const CHECKPOINT_IMAGES = 1000;
const TEST_IMAGES = 10_000;
/** Checkpoints in --minutes. The fastest family needs but a part of them for its steps, and its curve some points. */
const CHECKPOINTS: Record<Part, number> = { steps: 60, time: 20 };
/** Samples that the median time of one is taken from. */
const SAMPLES = 7;

const terminal = openTerminal();
const stop = new AbortController();

interface Plan {
  readonly out: string;
  readonly families: readonly Family[];
  readonly parts: readonly Part[];
  readonly budgets: Record<Part, TrainConfig["budget"]>;
  readonly minutes: number;
  readonly threads: number | undefined;
  readonly evalLimit: number | undefined;
  readonly seed: number;
}

function readPlan(): Plan {
  const minutes = numberOption("minutes", values.minutes, { fraction: true, above: true })!;
  return {
    out: values.out ?? fail("usage", "expected --out FOLDER, where the runs and the table go, but received none"),
    families: chosenFamilies(values.only),
    parts: chosenParts(values.part),
    budgets: { steps: { steps: numberOption("steps", values.steps, { min: 1 })! }, time: { minutes } },
    minutes,
    threads: numberOption("threads", values.threads, { min: 1, max: 1024 }),
    evalLimit: numberOption("eval-limit", values["eval-limit"], { min: 1, max: TEST_IMAGES }),
    seed: numberOption("seed", values.seed)!,
  };
}

const PARTS: readonly Part[] = ["steps", "time"];

/** The halves of the comparison that a comma-separated list names; both where there is none. */
function chosenParts(list: string | undefined): readonly Part[] {
  const names = list?.split(",").map((name) => name.trim()) ?? PARTS;
  const unknown = names.find((name) => !PARTS.some((part) => part === name));
  if (unknown !== undefined) fail("usage", `expected steps or time for --part but received ${unknown}`);
  return PARTS.filter((part) => names.includes(part));
}

/** Trains one run to its end, from wherever it is. */
async function trainOne(part: Part, family: Family, plan: Plan): Promise<void> {
  const { threads, evalLimit, seed, minutes } = plan;
  const folder = join(plan.out, part, family.name);
  const budget = plan.budgets[part];
  const record = await readRecord(folder);
  if (record) checkSame(folder, record, { budget, seed, settings: family.settings });
  const work = workLeft(record, evalLimit ?? TEST_IMAGES);
  if (work === "none") return terminal.note(`${folder}: finished`);
  const settings = [...family.settings, `train.checkpointMinutes=${minutes / CHECKPOINTS[part]}`];
  const wish = { folder, settings, seed, threads, signal: stop.signal, tell: terminal };
  terminal.note(work === "start" ? `${folder}: begins` : `${folder}: goes on from step ${record?.step}`);
  const { config, splits, from, release } =
    work === "start"
      ? await startRun({ ...wish, data: "mnist", preset: family.preset, budget })
      : await resumeRun(wish);
  try {
    const { train: data, test } = splits;
    const how = { threads, evalLimit: evalLimit ?? CHECKPOINT_IMAGES, finalEval: evalLimit === undefined };
    for await (const event of trainRun({ folder, config, data, test, from, ...how, signal: stop.signal })) {
      if (event.type === "step") {
        const percent = `${Math.floor(100 * event.progress)} %`;
        terminal.progress(`${folder}: ${percent}, step ${event.step}, ${event.loss.toFixed(1)} nats in its batch`);
      } else if (event.type === "evaluation" && event.evaluation.kind === "likelihood") {
        const { nats, images } = event.evaluation;
        terminal.endProgress();
        terminal.note(
          `${folder}: step ${event.step}, ${duration(event.seconds)} trained, ${nats.toFixed(2)} nats on ` +
            `${images} images`,
        );
      }
    }
  } finally {
    terminal.endProgress();
    await Promise.all([splits.train.close?.(), splits.test.close?.(), release()]);
  }
}

/** Median milliseconds of one image from the exact engine in this thread; null where no run has weights yet. */
async function sampleTime(folders: readonly string[]): Promise<number | null> {
  const folder = folders.find((one) => existsSync(join(one, "model.safetensors")));
  if (folder === undefined) return null;
  const engine = createEngine(await openPixelcnn(folder), { threads: 0 });
  const times: number[] = [];
  // The first one warms up and does not count.
  for (let seed = 0; seed <= SAMPLES; seed++) {
    const started = performance.now();
    await engine.sample({ count: 1, height: 28, width: 28, seed });
    if (seed > 0) times.push(performance.now() - started);
  }
  await engine.close();
  return times.sort((a, b) => a - b)[Math.floor(SAMPLES / 2)]!;
}

/** Writes the table and the picture of all runs under `out`, and prints the table. */
async function report(out: string): Promise<void> {
  const rows: Row[] = [];
  const curves: Curve[] = [];
  for (const { name, title } of FAMILIES) {
    // Both runs of a family are one network; how long a sample takes does not depend on the weights.
    const msPerSample = await sampleTime(PARTS.map((part) => join(out, part, name)));
    for (const part of PARTS) {
      const record = await readRecord(join(out, part, name));
      if (!record) continue;
      rows.push(rowOf(part, title, record, msPerSample));
      curves.push({ part, title, tests: record.tests });
    }
  }
  if (rows.length === 0) fail("usage", `expected runs of this bench for --out but found none in ${out}`);
  const markdown = markdownOf(rows);
  await makeFolder(out);
  await writeWhole(join(out, "table.md"), markdown);
  await writeWhole(join(out, "table.json"), `${JSON.stringify({ rows, published: PUBLISHED }, null, 2)}\n`);
  const titles = FAMILIES.map(({ title }) => title);
  if (curves.some(({ tests }) => tests.length > 0)) await writeWhole(join(out, "nats.svg"), chartOf(curves, titles));
  process.stdout.write(markdown);
}

async function main(): Promise<void> {
  const plan = readPlan();
  if (!values.table) {
    const counts = new Map<string, number>();
    for (const family of FAMILIES) counts.set(family.name, await parametersOf(family));
    checkCounts(counts);
    terminal.note(`parameters: ${[...counts].map(([name, count]) => `${name} ${count}`).join(", ")}`);
    for (const part of plan.parts) for (const family of plan.families) await trainOne(part, family, plan);
  }
  await report(plan.out);
}

const onSignal = (): void => {
  if (stop.signal.aborted) process.exit(130);
  terminal.note("stopping (once more to stop at once)");
  stop.abort();
};
process.on("SIGINT", onSignal);
process.on("SIGTERM", onSignal);
try {
  await main();
} catch (error) {
  if (!(error instanceof PixelcnnError)) throw error;
  const stopped = error.kind === "interrupted";
  terminal.note(stopped ? "stopped; all is saved. The same command goes on from here." : `error: ${error.message}`);
  process.exitCode = stopped ? 130 : error.kind === "usage" ? 2 : 1;
}
