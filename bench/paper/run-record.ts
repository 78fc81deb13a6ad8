/** What a run's folder says of the run: how far it is, its tests, and whether it is the run that is asked for. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../src/errors.ts";
import { readSetting, valueAt } from "../../src/runs/draft.ts";
import { readRunConfig } from "../../src/runs/run-folder.ts";
import type { RunConfig, TrainConfig } from "../../src/train/config.ts";

export interface Test {
  readonly step: number;
  /** Of the run's own clock, which stands still while a checkpoint is saved and tested. */
  readonly seconds: number;
  readonly images: number;
  readonly nats: number;
  readonly standardError: number;
}

export interface RunRecord {
  readonly config: RunConfig;
  readonly parameters: number | null;
  /** Of the last checkpoint. */
  readonly step: number;
  readonly seconds: number;
  /** The budget is used up. */
  readonly trained: boolean;
  /** In the order of the log, each step and number of images once. */
  readonly tests: readonly Test[];
}

type Entry = Test & { readonly type: string; readonly last?: boolean; readonly parameters?: number };

/** A line of the log; null for one that is not whole, of a process that was killed. */
function entryOf(line: string): Entry | null {
  try {
    return JSON.parse(line) as Entry;
  } catch {
    return null;
  }
}

/** Null where no run has begun. */
export async function readRecord(folder: string): Promise<RunRecord | null> {
  if (!existsSync(join(folder, "config.json"))) return null;
  const config = await readRunConfig(folder);
  const text = await readFile(join(folder, "log.jsonl"), "utf8").catch(() => "");
  const tests = new Map<string, Test>();
  let parameters: number | null = null;
  let [step, seconds, trained] = [0, 0, false];
  for (const line of text.split("\n")) {
    const entry = entryOf(line);
    if (entry?.type === "start" || entry?.type === "resume") parameters = entry.parameters ?? null;
    if (entry?.type === "checkpoint") [step, seconds, trained] = [entry.step, entry.seconds, entry.last === true];
    if (entry?.type === "evaluation") {
      const { images, nats, standardError } = entry;
      tests.set(`${entry.step} ${images}`, { step: entry.step, seconds: entry.seconds, images, nats, standardError });
    }
  }
  return { config, parameters, step, seconds, trained, tests: [...tests.values()] };
}

/** The test of the last checkpoint on most images; null where it has none yet. */
export function finalTest({ step, tests }: RunRecord): Test | null {
  const own = tests.filter((test) => test.step === step);
  return own.length === 0 ? null : own.reduce((a, b) => (b.images > a.images ? b : a));
}

/** What is left to do: a run that used up its budget may still lack the test of its end. */
export function workLeft(record: RunRecord | null, images: number): "start" | "resume" | "none" {
  if (record === null) return "start";
  return record.trained && (finalTest(record)?.images ?? 0) >= images ? "none" : "resume";
}

export interface Asked {
  readonly budget: TrainConfig["budget"];
  readonly seed: number;
  readonly settings: readonly string[];
}

/**
 * Throws unless the folder's run is the one that is asked for. A longer budget would be no continuation: the learning
 * rate falls to the end of the budget, so the run would not be the one that had this budget from its start.
 */
export function checkSame(folder: string, { config }: RunRecord, { budget, seed, settings }: Asked): void {
  const wanted = [
    ...settings.map(readSetting),
    { key: "train.budget", value: budget },
    { key: "train.seed", value: seed },
  ];
  for (const { key, value } of wanted) {
    const has = JSON.stringify(valueAt(config, key));
    if (has !== JSON.stringify(value))
      fail(
        "usage",
        `expected ${key} ${has}, as the run in ${folder} has, but received ${JSON.stringify(value)}; ` +
          "ask for the same, or give another --out",
      );
  }
}
