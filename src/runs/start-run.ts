/**
 * A run's folder before its first step: a new one from a preset or a file, or one that goes on from its last
 * checkpoint.
 */

import { existsSync, realpathSync } from "node:fs";
import { readdir, readFile, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { namedSets } from "../data/named.ts";
import { fail } from "../errors.ts";
import { checkDescribes } from "../models/condition.ts";
import { modelCondition, pixelcnnIn } from "../models/families.ts";
import { blindSpotOf } from "../models/receptive-field.ts";
import { checkBalance } from "../train/batches.ts";
import type { ConditionSource, RunConfig, RunDraft } from "../train/config.ts";
import type { RunState } from "../train/state.ts";
import { counted, shellWord } from "../words.ts";
import { completeDraft } from "./complete-draft.ts";
import { attachConditions, keepEncoder, readConditionWish, scaleOfVectors } from "./condition-source.ts";
import { type DraftOptions, draftRun, readSetting, valueAt } from "./draft.ts";
import { presetFor } from "./presets.ts";
import { changesOf, describeChanges, filesOfSource, readFileList, writeFileList } from "./run-files.ts";
import { loadState, makeFolder, readRunConfig, writeWhole } from "./run-folder.ts";
import { lockRun } from "./run-lock.ts";
import type { Teller } from "./source-image.ts";
import { keptSource, openTrainData, type Splits } from "./train-data.ts";
import { resumeCommand } from "./train-run.ts";

export interface RunWish extends Omit<DraftOptions, "condition" | "fallback"> {
  readonly folder: string;
  /** A named set or a path. */
  readonly data?: string | undefined;
  /** As {@link readConditionWish} reads it: `class`, `thumbnail:7x7`, ... */
  readonly condition?: string | undefined;
  readonly threads?: number | undefined;
  readonly signal: AbortSignal;
  readonly tell: Teller;
}

/** What training needs; the caller closes the splits. */
export interface ReadyRun {
  readonly config: RunConfig;
  readonly splits: Splits;
  /** Undefined where training begins at its first step. */
  readonly from: RunState | undefined;
  /** Gives the run's folder back: no other process may train in it until then. */
  readonly release: () => Promise<void>;
}

/** Makes a new run's folder. */
export async function startRun(wish: RunWish): Promise<ReadyRun> {
  const { folder } = wish;
  const condition = wish.condition === undefined ? undefined : readConditionWish(wish.condition);
  const { draft, origin } = await draftRun({ ...wish, condition, fallback: presetFor(wish.data ?? "") });
  const { source: inFile, ...data } = draft.data;
  const source =
    wish.data ??
    (typeof inFile === "string" ? inFile : fail("usage", "expected <data>, a named set or a path, but received none"));
  for (const file of ["config.json", "state.safetensors", "model.safetensors"]) {
    if (existsSync(join(folder, file))) {
      fail(
        "usage",
        `expected a new folder for --out but ${folder} already holds a run; go on with it: ` +
          `${resumeCommand(folder)}, or give another --out`,
      );
    }
  }
  if (existsSync(folder) && existsSync(source) && realpathSync(folder) === realpathSync(source))
    fail(
      "usage",
      `expected another folder for --out than that of the images but received ${folder} for both: the run's own ` +
        "pictures would become data",
    );
  await makeFolder(folder);
  const release = await lockRun(folder);
  try {
    return {
      ...(await startLocked(wish, source, { ...draft, data: { splitDraw: "name", ...data } }, origin)),
      release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

async function startLocked(
  wish: RunWish,
  source: string,
  draft: RunDraft,
  origin: string,
): Promise<Omit<ReadyRun, "release">> {
  const { folder, preset, tell } = wish;
  await tidy(folder);
  const opened = await openTrainData(source, draft.data, tell.warn);
  // Before conditions are made, which may take long.
  checkBalance({ balance: draft.train.balance === true }, opened.train);
  const splits = await conditioned(opened, draft.condition, null, wish);
  const scale = draft.condition?.from === "thumbnail" ? undefined : await scaleOfVectors(splits.train);
  const config = await keepEncoder(completeDraft(draft, keptSource(source), splits.train, scale), folder);
  const { train } = config;
  const [unit, amount] = Object.entries(train.budget)[0]!;
  const pixelcnn = pixelcnnIn(config.model);
  const hole = pixelcnn && blindSpotOf(pixelcnn);
  if (hole) tell.warn(`model.dilations: ${hole}`);
  if (preset === "portraits" && pixelcnn?.condition === null)
    tell.warn("without --condition peers:EMBEDDER nobody can be asked for: the model draws people as they come");
  const files = await filesOfSource(source);
  if (files) await writeFileList(folder, files);
  tell.note(`${source}, ${origin}: ${counted(amount, unit.slice(0, -1))}, batch ${train.batch}, rate ${train.rate}`);
  return { config, splits, from: undefined };
}

/** The splits with the vectors that the condition's source makes of their images. `folder`: of a run that has one. */
async function conditioned(
  { train, test }: Splits,
  source: ConditionSource | null,
  folder: string | null,
  { threads, signal, tell }: RunWish,
): Promise<Splits> {
  if (source?.from === "encoder" || source?.from === "captions")
    tell.note(`making the conditions of ${counted(train.length + test.length, "image")}`);
  const options = { folder, threads, signal, tell: tell.warn };
  return { train: await attachConditions(train, source, options), test: await attachConditions(test, source, options) };
}

/** Fields that may change when a run goes on: how long, and how often it is saved. */
const MAY_CHANGE = /^train\.(budget(\..*)?|checkpointMinutes)$/;

/** Opens a run's folder to go on from its last checkpoint. What is asked for must fit what the run's config says. */
export async function resumeRun(wish: RunWish): Promise<ReadyRun> {
  const { folder } = wish;
  if (!existsSync(join(folder, "config.json"))) {
    fail(
      "usage",
      `expected a run in ${folder} to resume but it holds no config.json; to start one, leave out --resume`,
    );
  }
  const release = await lockRun(folder);
  try {
    return { ...(await resumeLocked(wish)), release };
  } catch (error) {
    await release();
    throw error;
  }
}

async function resumeLocked(wish: RunWish): Promise<Omit<ReadyRun, "release">> {
  const { folder, seed, budget, tell } = wish;
  const saved = await readRunConfig(folder);
  const kept = (name: string, has: unknown, given: unknown): never =>
    fail(
      "usage",
      `expected options that fit the run in ${folder}: its config.json has ${name} ${JSON.stringify(has)} but ` +
        `received ${JSON.stringify(given)}; leave it out, or start another run with another --out`,
    );
  const { preset, file: config, condition } = wish;
  const own = Object.entries({ preset, config, condition }).find(([, given]) => given !== undefined);
  if (own)
    fail("usage", `expected no --${own[0]} with --resume: the run in ${folder} goes on with its own config.json`);
  const before = await readFileList(folder);
  const asked = wish.data === undefined ? saved.data.source : keptSource(wish.data);
  const moved = asked !== saved.data.source;
  if (!moved && !existsSync(asked) && !namedSets.includes(asked))
    fail(
      "io",
      `expected the data of the run in ${folder} at ${asked} but there is no such path; if they were moved, say ` +
        `where to: pixelcnn train NEWPATH --resume --out ${shellWord(folder)}`,
    );
  const now = before && (await filesOfSource(asked, before));
  // Without a list of files nobody can tell whether other data are the same ones.
  if (moved && !now) kept("data.source", saved.data.source, wish.data);
  const changes = before && now ? changesOf(before, now) : null;
  const told = changes && describeChanges(changes);
  if (moved && changes!.gone.length + changes!.changed.length > 0)
    fail(
      "usage",
      `expected at ${wish.data} the files that the run in ${folder} was trained on but ${told}; ` +
        "give the folder that holds them, or start another run with another --out",
    );
  if (told) tell.warn(`since the run began, ${asked} has changed: ${told}; images keep their splits, by their names`);
  if (seed !== undefined && seed !== saved.train.seed) kept("train.seed", saved.train.seed, seed);
  const changed: { budget?: unknown; checkpointMinutes?: unknown } = {};
  for (const setting of wish.settings) {
    const { key, value } = readSetting(setting);
    if (key.startsWith("train.budget.")) changed.budget = { [key.slice("train.budget.".length)]: value };
    else if (MAY_CHANGE.test(key)) Object.assign(changed, { [key.slice("train.".length)]: value });
    else if (JSON.stringify(valueAt(saved, key)) !== JSON.stringify(value)) kept(key, valueAt(saved, key), value);
  }
  if (budget) changed.budget = budget;
  const { source: _, ...data } = saved.data;
  const source = asked;
  const splits = await conditioned(await openTrainData(source, data, tell.warn), saved.condition, folder, wish);
  const next = completeDraft({ ...saved, train: { ...saved.train, ...changed } }, source, splits.train);
  // All that can be refused is, before the folder changes.
  const described = modelCondition(next.model);
  if (described) checkDescribes(described, splits.train);
  // Stopped before the first checkpoint: all that it did is named by its seed, so starting over is going on.
  const hasState = existsSync(join(folder, "state.safetensors"));
  const from = hasState ? await loadState(folder, next) : undefined;
  await tidy(folder);
  if (JSON.stringify(next) !== JSON.stringify(saved))
    await writeWhole(join(folder, "config.json"), `${JSON.stringify(next, null, 2)}\n`);
  if (now && told) await writeFileList(folder, now);
  if (!hasState) tell.note(`the run in ${shellWord(folder)} has no checkpoint yet: it starts from its first step`);
  return { config: next, splits, from };
}

/** Files of ours that were being written when the process was killed. Others' files are left alone. */
const HALF_WRITTEN =
  /^(config\.json|curve\.svg|images\.jsonl|run\.lock|(state|model)\.safetensors|step-\d+\.png)\.[0-9a-f]{8}\.tmp$/;

/** Clears away what a killed process leaves: half-written files, half a line at the end of the log. */
async function tidy(folder: string): Promise<void> {
  for (const where of [folder, join(folder, "samples")]) {
    const files = existsSync(where) ? await readdir(where) : [];
    for (const file of files) if (HALF_WRITTEN.test(file)) await rm(join(where, file), { force: true });
  }
  const log = join(folder, "log.jsonl");
  if (!existsSync(log)) return;
  const bytes = await readFile(log);
  const whole = bytes.lastIndexOf(0x0a) + 1;
  if (whole < bytes.length) await truncate(log, whole);
}
