/**
 * A training run as a stream of events: train/loop.ts, with its folder kept, its model tested and drawn at checkpoints.
 * The command line prints the events, a server sends them. Saving comes first: whatever fails or is stopped after it,
 * the run goes on from there.
 */

import { join } from "node:path";
import type { Dataset } from "../data/dataset.ts";
import { fail, PixelcnnError } from "../errors.ts";
import type { Progress } from "../jobs.ts";
import { type Evaluation, evaluate } from "../measure/evaluate.ts";
import { lossUnit } from "../models/families.ts";
import type { Model } from "../models/model.ts";
import type { Device } from "../onnx/session.ts";
import type { RunConfig } from "../train/config.ts";
import { type StepEvent, type TrainEvent, train } from "../train/loop.ts";
import type { RunState } from "../train/state.ts";
import type { OpenShards } from "../train/stepper.ts";
import { shellWord } from "../words.ts";
import { drawSamples } from "./draw-samples.ts";
import { writeCurve } from "./run-curve.ts";
import { appendLog, createRun, makeFolder, saveCheckpoint, writeWhole } from "./run-folder.ts";
import { drawRunPicture } from "./run-picture.ts";

export interface TrainRunOptions {
  readonly folder: string;
  readonly config: RunConfig;
  readonly data: Dataset;
  readonly test: Dataset;
  readonly from?: RunState | undefined;
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  /** As {@link train} takes it. */
  readonly openShards?: OpenShards | undefined;
  /** Test images at a checkpoint; 0 for no tests. */
  readonly evalLimit: number;
  /** Whether the end is tested on every image. */
  readonly finalEval: boolean;
  /** Who draws the pictures; default the exact engine. */
  readonly draw?: typeof drawSamples;
  /** Called while a checkpoint is tested or drawn: how much of it is done. */
  readonly onProgress?: ((progress: RunProgress) => void) | undefined;
  readonly signal: AbortSignal;
}

/** Images tested, or rows drawn. */
export interface RunProgress extends Progress {
  readonly what: "testing" | "sampling";
  readonly step: number;
}

export type RunEvent =
  | Exclude<TrainEvent, { type: "checkpoint" }>
  /** The run can be resumed from here. */
  | { readonly type: "saved"; readonly step: number; readonly seconds: number; readonly last: boolean }
  | {
      readonly type: "evaluation";
      readonly step: number;
      readonly seconds: number;
      readonly of: number;
      readonly evaluation: Evaluation;
    }
  /** A picture in the run's folder. */
  | { readonly type: "samples"; readonly step: number; readonly file: string };

/** Seconds between two step lines of the log. */
const LOG_EVERY = 5;

export interface TrainRunResult {
  readonly step: number;
  readonly seconds: number;
  readonly images: number;
  readonly evaluation: (Evaluation & { readonly step: number }) | null;
}

export const resumeCommand = (folder: string): string => `pixelcnn train --resume --out ${shellWord(folder)}`;

export async function* trainRun(options: TrainRunOptions): AsyncGenerator<RunEvent, TrainRunResult> {
  const { folder, config, data, from, device, threads, openShards, signal } = options;
  const log = (entry: object): Promise<void> => appendLog(folder, entry);
  let lastLogged = performance.now() / 1000;
  let unlogged: StepEvent | null = null;
  const logStep = async ({ progress: _, ...entry }: StepEvent): Promise<void> => {
    unlogged = null;
    lastLogged = performance.now() / 1000;
    await log(entry);
  };
  let evaluation: TrainRunResult["evaluation"] = null;
  let saved: RunState | null = null;
  for await (const event of train({ config, data, from, device, threads, openShards, signal })) {
    if (event.type === "start") {
      // Only now: a device that is missing leaves no half-made run behind.
      if (!from) await createRun(folder, config);
      const { type: _, ...started } = event;
      await log({ type: from ? "resume" : "start", time: new Date().toISOString(), ...started });
      yield event;
    } else if (event.type === "step") {
      yield event;
      unlogged = event;
      if (performance.now() / 1000 - lastLogged >= LOG_EVERY) await logStep(event);
    } else {
      const { state, model, last } = event;
      const { step, seconds } = state;
      if (unlogged) await logStep(unlogged);
      await saveCheckpoint(folder, config, state);
      await log({ type: "checkpoint", step, seconds, last });
      saved = state;
      yield { type: "saved", step, seconds, last };
      try {
        const tested = signal.aborted ? null : await test(options, state, model, last);
        if (tested) {
          evaluation = { step, ...tested };
          yield { type: "evaluation", step, seconds, of: options.test.length, evaluation: tested };
        }
        const file = signal.aborted || !last ? null : await picture(options, state, model);
        if (file) yield { type: "samples", step, file };
        await writeCurve(folder, `${lossUnit(config.model)} an image`);
      } catch (error) {
        // The loop sees the same signal and ends by itself.
        if (!signal.aborted) throw error;
      }
    }
  }
  if (!saved) return fail("internal", "expected a checkpoint at the end of training but there was none");
  if (signal.aborted)
    throw new PixelcnnError(
      "interrupted",
      `interrupted at step ${saved.step}; everything is saved in ${folder}\ngo on with: ${resumeCommand(folder)}`,
    );
  return { step: saved.step, seconds: saved.seconds, images: saved.step * config.train.batch, evaluation };
}

/** Tests the averaged weights; null where nothing is to be tested now. */
async function test(
  options: TrainRunOptions,
  { step, seconds }: RunState,
  model: Model,
  last: boolean,
): Promise<Evaluation | null> {
  const { folder, test: data, threads, device, evalLimit, finalEval, signal, onProgress } = options;
  const limit = last && finalEval ? data.length : evalLimit;
  if (limit === 0) return null;
  const evaluation = await evaluate(model, data, {
    limit,
    device,
    threads,
    signal,
    onProgress: (of) => onProgress?.({ what: "testing", step, ...of }),
  });
  await appendLog(folder, { type: "evaluation", step, seconds, split: data.split, ...evaluation });
  return evaluation;
}

/** Draws `samples/step-000123.png` and gives its name; null for a model that draws no images. */
async function picture(options: TrainRunOptions, { step }: RunState, model: Model): Promise<string | null> {
  const { folder, config, test: data, threads, draw = drawSamples, signal, onProgress } = options;
  const png = await drawRunPicture({
    model,
    seed: config.train.seed,
    test: data,
    threads,
    draw,
    signal,
    onProgress: (of) => onProgress?.({ what: "sampling", step, ...of }),
  });
  if (!png) return null;
  const file = `samples/step-${String(step).padStart(6, "0")}.png`;
  await makeFolder(join(folder, "samples"));
  await writeWhole(join(folder, file), png);
  await appendLog(folder, { type: "samples", step, file });
  return file;
}
