/** `pixelcnn train`: from data to a run folder, or on from one. The loop's work is in train-run.ts, the config's in run-config.ts. */

import { existsSync } from "node:fs";
import { readdir, readFile, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import type { ParsedArgs } from "citty";
import { fail, PixelcnnError } from "../../errors.ts";
import { describeEvaluation } from "../../measure/evaluate.ts";
import { checkDescribes } from "../../models/condition.ts";
import { modelCondition, pixelcnnIn } from "../../models/families.ts";
import { blindSpotOf } from "../../models/receptive-field.ts";
import { checkDevice } from "../../onnx/session.ts";
import { completeDraft } from "../../runs/complete-draft.ts";
import {
  attachConditions,
  CONDITION_WORDS,
  keepEncoder,
  readConditionWish,
  scaleOfVectors,
} from "../../runs/condition-source.ts";
import { draftRun, readSetting, valueAt } from "../../runs/draft.ts";
import { presetFor, presetNames } from "../../runs/presets.ts";
import { loadState, makeFolder, readRunConfig, writeWhole } from "../../runs/run-folder.ts";
import { keptSource, openTrainData, type Splits } from "../../runs/train-data.ts";
import { type RunEvent, type RunProgress, resumeCommand, type TrainRunResult, trainRun } from "../../runs/train-run.ts";
import { checkBalance } from "../../train/batches.ts";
import type { ConditionSource, RunConfig, TrainConfig } from "../../train/config.ts";
import type { StepEvent } from "../../train/loop.ts";
import type { RunState } from "../../train/state.ts";
import { counted, duration, rounded, shellWord } from "../../words.ts";
import { numberOption } from "../options/number-option.ts";
import { type CommandContext, defineCommand } from "../run-command.ts";
import type { Terminal } from "../terminal.ts";

const args = {
  data: {
    type: "positional",
    required: false,
    description: "A named set (mnist, fashion-mnist, cifar10) or a path; left out with --resume",
  },
  out: { type: "string", alias: "o", valueHint: "RUN", description: "Folder of the run: config, weights, log, samples" },
  preset: { type: "string", valueHint: "P", description: `${presetNames.join(", ")}; default: by the data` },
  config: { type: "string", valueHint: "F", description: "A config file instead of a preset, such as another run's config.json" },
  set: {
    type: "string",
    valueHint: "key=value",
    description: "Change one field of the config, such as train.rate=1e-3; again for more",
  },
  condition: { type: "string", valueHint: "C", description: `What images are conditioned on: ${CONDITION_WORDS}` },
  minutes: { type: "string", valueHint: "M", description: "Train for so many minutes" },
  steps: { type: "string", valueHint: "N", description: "Train for so many steps" },
  epochs: { type: "string", valueHint: "E", description: "Train for so many passes over the data" },
  device: { type: "string", valueHint: "D", description: "cpu, webgpu or cuda; default cpu" },
  threads: { type: "string", valueHint: "T", description: "CPU threads; default one a core" },
  resume: { type: "boolean", description: "Go on from the run's last checkpoint; a budget given anew replaces the old one" },
  "eval-limit": { type: "string", valueHint: "N", default: "1000", description: "Test images at a checkpoint; 0 for none" },
  "final-eval": {
    type: "boolean",
    default: true,
    description: "At the end, test on every image",
    negativeDescription: "At the end, test like at any checkpoint",
  },
} as const;

export default defineCommand({
  name: "train",
  summary: "Train a model on images",
  args,
  repeated: ["set"],
  examples: [
    "train mnist --out runs/digits --minutes 6",
    "train photos/ --out runs/photos --set data.height=48 --set data.width=48 --epochs 20",
    "train --resume --out runs/digits --minutes 60",
  ],
  async run(args, context) {
    const { terminal, signal } = context;
    const folder = args.out ?? fail("usage", "expected --out RUN, the folder to train in, but received none");
    const device = args.device === undefined ? undefined : checkDevice(args.device);
    const threads = numberOption("threads", args.threads, { min: 1, max: 1024 });
    const evalLimit = numberOption("eval-limit", args["eval-limit"]) ?? 1000;
    const ready = args.resume ? resumed(folder, args, context) : started(folder, args, context);
    const { config, splits, from } = await ready.catch(withAdvice(null));
    try {
      const { train, test } = splits;
      const options = {
        folder,
        config,
        data: train,
        test,
        from,
        device,
        threads,
        evalLimit,
        finalEval: args["final-eval"],
      };
      const result = await shown(trainRun({ ...options, onProgress: progressOf(terminal), signal }), ready, terminal).catch(
        withAdvice(folder),
      );
      const { evaluation, seconds, step, images } = result;
      const tested = evaluation ? `\ntest ${describeEvaluation(evaluation)} on ${counted(evaluation.images, "image")}` : "";
      const pace = seconds > 0 ? `, ${rounded(images / seconds)} images/s` : "";
      return {
        json: { run: folder, step, images, seconds, evaluation },
        text: `trained ${counted(step, "step")} in ${duration(seconds)}${pace}: ${folder}${tested}`,
      };
    } finally {
      await Promise.all([splits.train.close?.(), splits.test.close?.()]);
    }
  },
});

/** Prints a run's events until it ends. */
async function shown(
  run: AsyncGenerator<RunEvent, TrainRunResult>,
  ready: Promise<Ready>,
  terminal: Terminal,
): Promise<TrainRunResult> {
  const { config, splits, from } = await ready;
  const { height, width, channels, levels } = config.model;
  const progress = progressLine(terminal);
  for (;;) {
    const next = await run.next();
    if (next.done) {
      terminal.endProgress({ keep: true });
      return next.value;
    }
    const event = next.value;
    if (event.type === "start")
      terminal.note(
        `${from ? `going on from step ${event.step}` : "training"}: ${counted(event.images, "image")} of ` +
          `${height}x${width}x${channels}, ${levels} levels; ${event.parameters} parameters; ${event.device}, ${counted(event.threads, "thread")}`,
      );
    else if (event.type === "step") progress(event);
    else if (event.type === "evaluation") {
      const { images } = event.evaluation;
      const every =
        images < splits.test.length ? `the first ${images} of ${splits.test.length} images` : counted(images, "image");
      terminal.endProgress();
      terminal.note(
        `step ${event.step}  ${duration(event.seconds)} trained  test ${describeEvaluation(event.evaluation)} (${every})`,
      );
    } else terminal.endProgress({ keep: event.type === "saved" });
  }
}

/** Shows how far a checkpoint's test or picture is. */
function progressOf(terminal: Terminal): (progress: RunProgress) => void {
  let shown = { label: "", count: (_done: number, _all: number): void => {} };
  return ({ what, step, done, all }) => {
    const label = `step ${step}  ${what}`;
    if (label !== shown.label) shown = { label, count: terminal.counter(label, what === "testing" ? "images" : "rows") };
    shown.count(done, all);
  };
}

/** The line of a step: losses averaged over the last hundred or so, since one batch says little. */
function progressLine(terminal: Terminal): (event: StepEvent) => void {
  let mean = 0;
  let weight = 0;
  let first: StepEvent | null = null;
  return (event) => {
    first ??= event;
    mean = mean * 0.99 + event.loss * 0.01;
    weight = weight * 0.99 + 0.01;
    const loss = mean / weight;
    const said =
      event.bitsPerDim === null
        ? `${event.unit} ${loss.toPrecision(4)}`
        : `${((loss * event.bitsPerDim) / event.loss).toFixed(3)} bits/dim (${loss.toFixed(1)} nats)`;
    const done = event.progress - first.progress;
    const left = done > 0 ? `  ${duration(((event.seconds - first.seconds) * (1 - event.progress)) / done)} left` : "";
    terminal.progress(
      `step ${event.step}  epoch ${event.epoch.toFixed(2)}  ${said}  ${rounded(event.imagesPerSecond)} images/s${left}`,
    );
  };
}

/** Adds what can be done about it to an error of the data or the disk. `folder`: of a run that may have a checkpoint by now. */
function withAdvice(folder: string | null): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof PixelcnnError && (error.kind === "data" || error.kind === "io"))) throw error;
    const advice = [error.message];
    if (/that can be decoded/.test(error.message))
      advice.push("to leave out what cannot be decoded, start with: --set data.onBroken=skip");
    if (folder !== null && existsSync(join(folder, "state.safetensors"))) {
      advice.push(`the last checkpoint is whole; when this is mended, go on with: ${resumeCommand(folder)}`);
    }
    throw new PixelcnnError(error.kind, advice.join("\n"), { cause: error });
  };
}

type Args = ParsedArgs<typeof args>;
interface Ready {
  readonly config: RunConfig;
  readonly splits: Splits;
  readonly from: RunState | undefined;
}

/** A budget from its three flags; undefined where none is given. */
function budgetOf(args: Args): TrainConfig["budget"] | undefined {
  const given = (["minutes", "steps", "epochs"] as const).filter((name) => args[name] !== undefined);
  if (given.length > 1)
    fail(
      "usage",
      `expected one of --minutes, --steps and --epochs but received ${given.map((name) => `--${name}`).join(" and ")}`,
    );
  const steps = numberOption("steps", args.steps);
  if (steps !== undefined) return { steps };
  const epochs = numberOption("epochs", args.epochs, { fraction: true, above: true });
  if (epochs !== undefined) return { epochs };
  const minutes = numberOption("minutes", args.minutes, { fraction: true, above: true });
  return minutes === undefined ? undefined : { minutes };
}

async function started(folder: string, args: Args, context: CommandContext): Promise<Ready> {
  const { terminal, valuesOf, seed } = context;
  const budget = budgetOf(args);
  const { draft, origin } = await draftRun({
    preset: args.preset,
    file: args.config,
    settings: valuesOf("set"),
    budget,
    seed,
    condition: args.condition === undefined ? undefined : readConditionWish(args.condition),
    fallback: presetFor(args.data ?? ""),
  });
  const { source: inFile, ...data } = draft.data;
  const source =
    args.data ??
    (typeof inFile === "string" ? inFile : fail("usage", "expected <data>, a named set or a path, but received none"));
  for (const file of ["config.json", "state.safetensors", "model.safetensors"]) {
    if (existsSync(join(folder, file))) {
      fail(
        "usage",
        `expected a new folder for --out but ${folder} already holds a run; go on with it: ${resumeCommand(folder)}, or give another --out`,
      );
    }
  }
  await makeFolder(folder);
  await tidy(folder);
  const tell = (text: string): void => terminal.warn(text);
  const opened = await openTrainData(source, data, tell);
  // Before conditions are made, which may take long.
  checkBalance({ balance: draft.train.balance === true }, opened.train);
  const splits = await conditioned(opened, draft.condition, null, args, context);
  const scale = draft.condition?.from === "thumbnail" ? undefined : await scaleOfVectors(splits.train);
  const config = await keepEncoder(completeDraft(draft, keptSource(source), splits.train, scale), folder);
  const { train } = config;
  const [unit, amount] = Object.entries(train.budget)[0]!;
  const pixelcnn = pixelcnnIn(config.model);
  const hole = pixelcnn && blindSpotOf(pixelcnn);
  if (hole) terminal.warn(`model.dilations: ${hole}`);
  if (args.preset === "portraits" && pixelcnn?.condition === null)
    terminal.warn("without --condition peers:EMBEDDER nobody can be asked for: the model draws people as they come");
  terminal.note(`${source}, ${origin}: ${counted(amount, unit.slice(0, -1))}, batch ${train.batch}, rate ${train.rate}`);
  return { config, splits, from: undefined };
}

/** The splits with the vectors that the condition's source makes of their images. */
async function conditioned(
  { train, test }: Splits,
  source: ConditionSource | null,
  folder: string | null,
  args: Args,
  { terminal, signal }: CommandContext,
): Promise<Splits> {
  if (source?.from === "encoder" || source?.from === "captions")
    terminal.note(`making the conditions of ${counted(train.length + test.length, "image")}`);
  const threads = numberOption("threads", args.threads, { min: 1, max: 1024 });
  const options = { folder, threads, signal, tell: (text: string): void => terminal.warn(text) };
  return {
    train: await attachConditions(train, source, options),
    test: await attachConditions(test, source, options),
  };
}

/** Fields that may change when a run goes on: how long, and how often it is saved. */
const MAY_CHANGE = /^train\.(budget(\..*)?|checkpointMinutes)$/;

async function resumed(folder: string, args: Args, context: CommandContext): Promise<Ready> {
  const { terminal, valuesOf, seed } = context;
  if (!existsSync(join(folder, "config.json"))) {
    fail("usage", `expected a run in ${folder} to resume but it holds no config.json; to start one, leave out --resume`);
  }
  const saved = await readRunConfig(folder);
  const kept = (name: string, has: unknown, given: unknown): never =>
    fail(
      "usage",
      `expected options that fit the run in ${folder}: its config.json has ${name} ${JSON.stringify(has)} but received ${JSON.stringify(given)}; leave it out, or start another run with another --out`,
    );
  for (const option of ["preset", "config", "condition"] as const) {
    if (args[option] !== undefined)
      fail("usage", `expected no --${option} with --resume: the run in ${folder} goes on with its own config.json`);
  }
  if (args.data !== undefined && keptSource(args.data) !== saved.data.source) kept("data.source", saved.data.source, args.data);
  if (seed !== undefined && seed !== saved.train.seed) kept("train.seed", saved.train.seed, seed);
  const changed: { budget?: unknown; checkpointMinutes?: unknown } = {};
  for (const setting of valuesOf("set")) {
    const { key, value } = readSetting(setting);
    if (key.startsWith("train.budget.")) changed.budget = { [key.slice("train.budget.".length)]: value };
    else if (MAY_CHANGE.test(key)) Object.assign(changed, { [key.slice("train.".length)]: value });
    else if (JSON.stringify(valueAt(saved, key)) !== JSON.stringify(value)) kept(key, valueAt(saved, key), value);
  }
  const budget = budgetOf(args);
  if (budget) changed.budget = budget;
  const { source, ...data } = saved.data;
  const opened = await openTrainData(source, data, (text) => terminal.warn(text));
  const splits = await conditioned(opened, saved.condition, folder, args, context);
  const config = completeDraft({ ...saved, train: { ...saved.train, ...changed } }, source, splits.train);
  // All that can be refused is, before the folder changes.
  const condition = modelCondition(config.model);
  if (condition) checkDescribes(condition, splits.train);
  // Stopped before the first checkpoint: all that it did is named by its seed, so starting over is going on.
  const hasState = existsSync(join(folder, "state.safetensors"));
  const from = hasState ? await loadState(folder, config) : undefined;
  await tidy(folder);
  if (JSON.stringify(config) !== JSON.stringify(saved))
    await writeWhole(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
  if (!hasState) terminal.note(`the run in ${shellWord(folder)} has no checkpoint yet: it starts from its first step`);
  return { config, splits, from };
}

/** Files of ours that were being written when the process was killed. Others' files are left alone. */
const HALF_WRITTEN = /^(config\.json|(state|model)\.safetensors|step-\d+\.png)\.[0-9a-f]{8}\.tmp$/;

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
