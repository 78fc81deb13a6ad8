/**
 * What helps the likelihood? Trains a preset and variants of it (bench/sweep/variants.ts) for equally many steps or
 * equally long, each for several seeds, and prints mean and range of the test nats.
 *   node bench/sweep.ts --out FILE.jsonl [--data mnist] [--preset mnist-binary] [--steps 1500 | --minutes 5]
 *     [--seeds 1,2,3] [--only "preset;muon 4"] [--set train.rate=1e-3]... [--eval-limit 2000] [--threads 1] [--table]
 * A line of the file is a run that is finished. The same command again does what is missing: seed after seed, so that
 * a sweep that is stopped has compared all variants on the first seeds. --table only prints what there is.
 */

import { appendFile, readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { numberOption } from "../src/cli/options/number-option.ts";
import { openTerminal } from "../src/cli/terminal.ts";
import { fail } from "../src/errors.ts";
import { likelihood } from "../src/measure/likelihood.ts";
import type { Model } from "../src/models/model.ts";
import { completeDraft } from "../src/runs/complete-draft.ts";
import { draftRun } from "../src/runs/draft.ts";
import { presetFor } from "../src/runs/presets.ts";
import { openTrainData } from "../src/runs/train-data.ts";
import type { TrainConfig } from "../src/train/config.ts";
import { train } from "../src/train/loop.ts";
import { chosenVariants, type Variant } from "./sweep/variants.ts";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    data: { type: "string", default: "mnist" },
    preset: { type: "string" },
    steps: { type: "string" },
    minutes: { type: "string" },
    seeds: { type: "string", default: "1,2,3" },
    only: { type: "string" },
    set: { type: "string", multiple: true, default: [] },
    "eval-limit": { type: "string", default: "2000" },
    threads: { type: "string", default: "1" },
    table: { type: "boolean", default: false },
  },
});

/** What names a run, and what came out of it. */
interface Entry {
  readonly data: string;
  readonly preset: string;
  readonly settings: readonly string[];
  readonly budget: TrainConfig["budget"];
  readonly variant: string;
  readonly seed: number;
  readonly images: number;
  readonly parameters: number;
  readonly steps: number;
  readonly seconds: number;
  readonly nats: number;
  readonly bitsPerDim: number;
}

const terminal = openTerminal();
const out = values.out ?? fail("usage", "expected --out FILE.jsonl, where finished runs go, but received none");
const preset = values.preset ?? presetFor(values.data);
const steps = numberOption("steps", values.steps, { min: 1 });
const minutes = numberOption("minutes", values.minutes, { fraction: true, above: true });
if (steps !== undefined && minutes !== undefined) fail("usage", "expected --steps or --minutes but received both");
const budget = minutes === undefined ? { steps: steps ?? 1500 } : { minutes };
const images = numberOption("eval-limit", values["eval-limit"], { min: 1 })!;
const threads = numberOption("threads", values.threads, { min: 1, max: 1024 })!;
const seeds = values.seeds.split(",").map((seed) => numberOption("seeds", seed)!);

async function finished(): Promise<Entry[]> {
  const text = await readFile(out, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Entry);
}

const sameRun = (a: Pick<Entry, keyof typeof wanted | "variant" | "seed">, variant: string, seed: number): boolean =>
  a.variant === variant &&
  a.seed === seed &&
  (Object.keys(wanted) as (keyof typeof wanted)[]).every(
    (key) => JSON.stringify(a[key]) === JSON.stringify(wanted[key]),
  );
const wanted = { data: values.data, preset, settings: values.set, budget, images };

async function runOne(variant: Variant, seed: number): Promise<void> {
  const settings = [...variant.settings, ...values.set];
  const { draft } = await draftRun({ preset, settings, budget, seed, fallback: presetFor(values.data) });
  const splits = await openTrainData(values.data, draft.data, terminal.warn);
  const config = completeDraft(draft, values.data, splits.train);
  let parameters = 0;
  let [step, seconds] = [0, 0];
  let model: Model | null = null;
  for await (const event of train({ config, data: splits.train, threads })) {
    if (event.type === "start") ({ parameters } = event);
    else if (event.type === "checkpoint") ({ model } = event);
    else {
      ({ step, seconds } = event);
      terminal.progress(
        `${variant.name}, seed ${seed}: ${Math.floor(100 * event.progress)} %, ${event.loss.toFixed(1)}`,
      );
    }
  }
  terminal.endProgress();
  const { nats, bitsPerDim } = await likelihood(model!, splits.test, { limit: images, threads });
  await Promise.all([splits.train.close?.(), splits.test.close?.()]);
  const entry: Entry = { ...wanted, variant: variant.name, seed, parameters, steps: step, seconds, nats, bitsPerDim };
  await appendFile(out, `${JSON.stringify(entry)}\n`);
  terminal.note(`${variant.name}, seed ${seed}: ${nats.toFixed(2)} nats, ${seconds.toFixed(0)} s`);
}

function printTable(entries: readonly Entry[]): void {
  console.log(
    "| variant | parameters | nats, mean | range | bits/dim | seeds | ms a step |\n" +
      "| --- | ---: | ---: | --- | ---: | ---: | ---: |",
  );
  for (const { name } of chosenVariants(values.only)) {
    const own = entries.filter((entry) => sameRun(entry, name, entry.seed));
    if (own.length === 0) continue;
    const mean = (of: (entry: Entry) => number): number => own.reduce((sum, entry) => sum + of(entry), 0) / own.length;
    const all = own.map(({ nats }) => nats);
    const range = `${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)}`;
    const cells = [
      ...[name, own[0]!.parameters, mean(({ nats }) => nats).toFixed(2), range],
      ...[mean(({ bitsPerDim }) => bitsPerDim).toFixed(4), own.length],
      mean(({ seconds, steps: n }) => (1000 * seconds) / n).toFixed(0),
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

if (!values.table)
  for (const seed of seeds)
    for (const variant of chosenVariants(values.only))
      if (!(await finished()).some((entry) => sameRun(entry, variant.name, seed))) await runOne(variant, seed);
printTable(await finished());
