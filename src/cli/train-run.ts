/**
 * Drives train/loop.ts for the command line: saves, tests and draws at checkpoints, keeps log.jsonl, shows progress.
 * Saving comes first: whatever fails or is stopped after it, the run goes on from there.
 */

import { join } from "node:path";
import type { Dataset } from "../data/dataset.ts";
import { fail } from "../errors.ts";
import { describeEvaluation, type Evaluation, evaluate } from "../evaluate.ts";
import type { Parameters } from "../network/parameters.ts";
import type { Device } from "../onnx/session.ts";
import { appendLog, createRun, makeFolder, type RunState, saveCheckpoint, writeWhole } from "../train/checkpoint.ts";
import type { RunConfig } from "../train/config.ts";
import { type StepEvent, train } from "../train/loop.ts";
import type { drawSamples } from "./draw-samples.ts";
import { drawRunPicture } from "./run-picture.ts";
import { counted, duration, rounded, shellWord, type Terminal } from "./terminal.ts";

export interface TrainRunOptions {
  readonly folder: string;
  readonly config: RunConfig;
  readonly data: Dataset;
  readonly test: Dataset;
  readonly from?: RunState | undefined;
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  /** Test images at a checkpoint; 0 for no tests. */
  readonly evalLimit: number;
  /** Whether the end is tested on every image. */
  readonly finalEval: boolean;
  readonly draw: typeof drawSamples;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/** Seconds between two step lines of the log. */
const LOG_EVERY = 5;
export interface TrainRunResult {
  readonly step: number;
  readonly seconds: number;
  readonly images: number;
  readonly evaluation: (Evaluation & { readonly step: number }) | null;
}

export const resumeCommand = (folder: string): string => `pixelcnn train --resume --out ${shellWord(folder)}`;

export async function trainRun(options: TrainRunOptions): Promise<TrainRunResult> {
  const { folder, config, data, from, device, threads, terminal, signal } = options;
  const log = (entry: object): Promise<void> => appendLog(folder, entry);
  const progress = progressLine(terminal);
  let lastLogged = performance.now() / 1000;
  let unlogged: StepEvent | null = null;
  const logStep = async ({
    type,
    step,
    epoch,
    loss,
    unit,
    bitsPerDim,
    norm,
    rate,
    seconds,
    imagesPerSecond,
  }: StepEvent): Promise<void> => {
    unlogged = null;
    lastLogged = performance.now() / 1000;
    await log({ type, step, epoch, loss, unit, bitsPerDim, norm, rate, seconds, imagesPerSecond });
  };
  let evaluation: TrainRunResult["evaluation"] = null;
  let saved: RunState | null = null;
  for await (const event of train({ config, data, from, device, threads, signal })) {
    switch (event.type) {
      case "start": {
        // Only now: a device that is missing leaves no half-made run behind.
        if (!from) await createRun(folder, config);
        const { parameters, images, step } = event;
        await log({
          type: from ? "resume" : "start",
          time: new Date().toISOString(),
          step,
          parameters,
          images,
          device: event.device,
          threads: event.threads,
        });
        terminal.note(
          `${from ? `going on from step ${step}` : "training"}: ${counted(images, "image")} of ${data.height}x${data.width}x${data.channels}, ${data.levels} levels; ` +
            `${parameters} parameters; ${event.device}, ${counted(event.threads, "thread")}`,
        );
        break;
      }
      case "step": {
        progress(event);
        unlogged = event;
        if (performance.now() / 1000 - lastLogged >= LOG_EVERY) await logStep(event);
        break;
      }
      case "checkpoint": {
        const { state, parameters, last } = event;
        if (unlogged) await logStep(unlogged);
        await saveCheckpoint(folder, config, state);
        await log({ type: "checkpoint", step: state.step, seconds: state.seconds, last });
        saved = state;
        try {
          if (!signal.aborted) evaluation = await test(options, state, parameters, last);
          if (!signal.aborted && last) await picture(options, state, parameters);
        } catch (error) {
          // The loop sees the same signal and ends by itself.
          if (!signal.aborted) throw error;
        }
        break;
      }
    }
  }
  terminal.endProgress({ keep: true });
  if (!saved) return fail("internal", "expected a checkpoint at the end of training but there was none");
  if (signal.aborted) {
    fail(
      "interrupted",
      `interrupted at step ${saved.step}; everything is saved in ${folder}\ngo on with: ${resumeCommand(folder)}`,
    );
  }
  return { step: saved.step, seconds: saved.seconds, images: saved.step * config.train.batch, evaluation };
}

/** Tests the averaged weights. */
async function test(
  options: TrainRunOptions,
  { step, seconds }: RunState,
  parameters: Parameters,
  last: boolean,
): Promise<TrainRunResult["evaluation"]> {
  const { folder, config, test, threads, device, evalLimit, finalEval, terminal, signal } = options;
  const limit = last && finalEval ? test.length : evalLimit;
  if (limit === 0) return null;
  const evaluation = await evaluate(config.model, parameters, test, {
    limit,
    device,
    threads,
    signal,
    onProgress: terminal.counter(`step ${step}  testing`, "images"),
  });
  terminal.endProgress();
  await appendLog(folder, { type: "evaluation", step, seconds, split: test.split, ...evaluation });
  const { images } = evaluation;
  const every = images < test.length ? `the first ${images} of ${test.length} images` : counted(images, "image");
  terminal.note(`step ${step}  ${duration(seconds)} trained  test ${describeEvaluation(evaluation)} (${every})`);
  return { step, ...evaluation };
}

/** Draws `samples/step-000123.png`; nothing of a model that draws no images. */
async function picture(options: TrainRunOptions, { step }: RunState, parameters: Parameters): Promise<void> {
  const { folder, config, test, threads, draw, terminal, signal } = options;
  const onProgress = terminal.counter(`step ${step}  sampling`, "rows");
  const png = await drawRunPicture({ config, parameters, test, threads, draw, signal, onProgress });
  terminal.endProgress();
  if (!png) return;
  const file = `samples/step-${String(step).padStart(6, "0")}.png`;
  await makeFolder(join(folder, "samples"));
  await writeWhole(join(folder, file), png);
  await appendLog(folder, { type: "samples", step, file });
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
      `step ${event.step}  epoch ${event.epoch.toFixed(2)}  ${said}  ` + `${rounded(event.imagesPerSecond)} images/s${left}`,
    );
  };
}
