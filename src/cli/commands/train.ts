/** `pixelcnn train`: from data to a run folder, or on from one. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ParsedArgs } from "citty";
import { fail, PixelcnnError } from "../../errors.ts";
import { describeEvaluation } from "../../measure/evaluate.ts";
import { checkDevice } from "../../onnx/session.ts";
import { leadTraining } from "../../queue/lead-training.ts";
import { openStore, readQueueAddress } from "../../queue/store.ts";
import { CONDITION_WORDS } from "../../runs/condition-source.ts";
import { presetNames } from "../../runs/presets.ts";
import { makeFolder } from "../../runs/run-folder.ts";
import { type ReadyRun, resumeRun, startRun } from "../../runs/start-run.ts";
import { type RunEvent, type RunProgress, resumeCommand, type TrainRunResult, trainRun } from "../../runs/train-run.ts";
import type { ServedStudio } from "../../server/serve-studio.ts";
import type { TrainConfig } from "../../train/config.ts";
import type { StepEvent } from "../../train/loop.ts";
import { counted, duration, rounded } from "../../words.ts";
import { numberOption } from "../options/number-option.ts";
import { queueArgs, readQueueName } from "../options/queue.ts";
import { defineCommand } from "../run-command.ts";
import { labelledProgress, type Terminal } from "../terminal.ts";
import { ownVersion } from "../version.ts";

const args = {
  data: {
    type: "positional",
    required: false,
    description: "A named set (mnist, fashion-mnist, cifar10) or a path; left out with --resume",
  },
  out: {
    type: "string",
    alias: "o",
    valueHint: "RUN",
    description: "Folder of the run: config, weights, log, samples",
  },
  preset: { type: "string", valueHint: "P", description: `${presetNames.join(", ")}; default: by the data` },
  config: {
    type: "string",
    valueHint: "F",
    description: "A config file instead of a preset, such as another run's config.json",
  },
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
  queue: {
    ...queueArgs.queue,
    description:
      "Have the shards of each step worked out by `pixelcnn worker --train` processes, by the Redis or Valkey at " +
      "redis://host:port; the same weights as one process trains",
  },
  name: queueArgs.name,
  resume: {
    type: "boolean",
    description: "Go on from the run's last checkpoint; a budget given anew replaces the old one",
  },
  "eval-limit": {
    type: "string",
    valueHint: "N",
    default: "1000",
    description: "Test images at a checkpoint; 0 for none",
  },
  "final-eval": {
    type: "boolean",
    default: true,
    description: "At the end, test on every image",
    negativeDescription: "At the end, test like at any checkpoint",
  },
  open: { type: "boolean", description: "Show the curves while it trains: opens the studio in the browser" },
} as const;

export default defineCommand({
  name: "train",
  summary: "Train a model on images",
  args,
  repeated: ["set"],
  saves: true,
  examples: [
    "train mnist --out runs/digits --minutes 6",
    "train photos/ --out runs/photos --set data.height=48 --set data.width=48 --epochs 20",
    "train --resume --out runs/digits --minutes 60",
  ],
  async run(args, { terminal, signal, seed, valuesOf }) {
    const folder = args.out ?? fail("usage", "expected --out RUN, the folder to train in, but received none");
    const device = args.device === undefined ? undefined : checkDevice(args.device);
    const threads = numberOption("threads", args.threads, { min: 1, max: 1024 });
    const evalLimit = numberOption("eval-limit", args["eval-limit"]) ?? 1000;
    const { data, preset, config: file, condition } = args;
    const settings = { preset, file, settings: valuesOf("set"), budget: budgetOf(args), condition, seed };
    const name = readQueueName(args.name);
    if (args.name !== undefined && args.queue === undefined)
      fail("usage", "expected --queue redis://host:port with --name");
    const store = args.queue === undefined ? null : await openStore(readQueueAddress(args.queue));
    const wish = { folder, data, ...settings, threads, signal, tell: terminal };
    const ready = await (args.resume ? resumeRun(wish) : startRun(wish)).catch(withAdvice(null));
    const { config, splits, from } = ready;
    const studio = args.open ? await openStudio(folder, terminal) : null;
    try {
      const { train, test } = splits;
      const progress = labelledProgress(terminal, (label) => (label.endsWith("testing") ? "images" : "rows"));
      const how = { device, threads, evalLimit, finalEval: args["final-eval"], signal };
      const onProgress = ({ what, step, ...of }: RunProgress): void =>
        progress({ what: `step ${step}  ${what}`, ...of });
      const led = { name, version: ownVersion(), config, folder, data: train, signal, note: terminal.note };
      const openShards = store ? (shard: number) => leadTraining(store, shard, led) : undefined;
      const run = trainRun({ folder, config, data: train, test, from, ...how, openShards, onProgress });
      const result = await shown(run, ready, terminal).catch(withAdvice(folder));
      const { evaluation, seconds, step, images } = result;
      const tested = evaluation
        ? `\ntest ${describeEvaluation(evaluation)} on ${counted(evaluation.images, "image")}`
        : "";
      const pace = seconds > 0 ? `, ${rounded(images / seconds)} images/s` : "";
      return {
        json: { run: folder, step, images, seconds, evaluation },
        text: `trained ${counted(step, "step")} in ${duration(seconds)}${pace}: ${folder}${tested}`,
      };
    } finally {
      await Promise.all([splits.train.close?.(), splits.test.close?.(), studio?.close(), ready.release()]);
    }
  },
});

/** Serves the studio for as long as the run trains. */
async function openStudio(folder: string, terminal: Terminal): Promise<ServedStudio> {
  const { serveStudio } = await import("../../server/serve-studio.ts");
  const { openPage } = await import("../../server/open-page.ts");
  await makeFolder(folder);
  const studio = await serveStudio({ folders: [folder] });
  terminal.note(`the studio is at ${studio.url}#/runs while this trains`);
  await openPage(`${studio.url}#/runs`);
  return studio;
}

/** Prints a run's events until it ends. */
async function shown(
  run: AsyncGenerator<RunEvent, TrainRunResult>,
  { config, splits, from }: ReadyRun,
  terminal: Terminal,
): Promise<TrainRunResult> {
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
          `${height}x${width}x${channels}, ${levels} levels; ${event.parameters} parameters; ${event.device}, ` +
          `${counted(event.threads, "thread")}`,
      );
    else if (event.type === "step") progress(event);
    else if (event.type === "evaluation") {
      const { images } = event.evaluation;
      const every =
        images < splits.test.length ? `the first ${images} of ${splits.test.length} images` : counted(images, "image");
      terminal.endProgress();
      terminal.note(
        `step ${event.step}  ${duration(event.seconds)} trained  test ${describeEvaluation(event.evaluation)} ` +
          `(${every})`,
      );
    } else terminal.endProgress({ keep: event.type === "saved" });
  }
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

/**
 * Adds what can be done about it to an error of the data or the disk. `folder`: of a run that may have a checkpoint by
 * now.
 */
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
