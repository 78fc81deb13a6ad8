/**
 * Training in one call: data and a preset in, a model out. For more say in it there is `train` (train/loop.ts), which
 * this drives.
 */

import type { Dataset } from "../data/dataset.ts";
import { fail, PixelcnnError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import type { Device } from "../onnx/session.ts";
import type { TrainConfig } from "../train/config.ts";
import { type TrainEvent, train } from "../train/loop.ts";
import { completeDraft } from "./complete-draft.ts";
import type { TrainedModel } from "./model-files.ts";
import { PRESETS, type Preset, type PresetName, presetNames } from "./presets.ts";

export interface TrainModelOptions {
  /** The images: of one size, in levels (data/dataset.ts). */
  readonly data: Dataset;
  /** Network and training settings. Default: "folder", which fits images of any kind. */
  readonly preset?: PresetName | undefined;
  /** When to stop, at most one of them; default what the preset says. Minutes count training alone. */
  readonly minutes?: number | undefined;
  readonly steps?: number | undefined;
  readonly epochs?: number | undefined;
  /** Fields of the model's config that differ from the preset's, such as `{ features: 48, depth: 6 }`. */
  readonly model?: Readonly<Record<string, unknown>> | undefined;
  /** Fields of the training settings that differ from the preset's, such as `{ rate: 2e-3, batch: 8 }`. */
  readonly train?: Partial<Omit<TrainConfig, "budget" | "seed">> | undefined;
  /** Names the first weights and the order of the images. Default 1. */
  readonly seed?: number | undefined;
  /** "cpu" (default: native in Node, WebAssembly in a browser), "webgpu" or "cuda". */
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  /** Stops after the step in progress; the model so far is the result. */
  readonly signal?: AbortSignal | undefined;
  /** Every event of the training loop, steps among them. */
  readonly onEvent?: ((event: TrainEvent) => void) | undefined;
}

/**
 * Trains a model on images. The result is the average of the weights over the last steps, as a run's folder would keep
 * it.
 */
export async function trainModel(options: TrainModelOptions): Promise<TrainedModel> {
  const { data, preset: name = "folder", seed, device, threads, signal, onEvent } = options;
  const preset: Preset =
    PRESETS[presetNames.find((known) => known === name)!] ??
    fail(
      "usage",
      `expected a preset (${presetNames.join(", ")}) but received ` +
        `${JSON.stringify(name)}${didYouMean(name, presetNames)}`,
    );
  const { minutes, steps, epochs } = options;
  const budgets = Object.entries({ minutes, steps, epochs }).filter(([, value]) => value !== undefined);
  if (budgets.length > 1)
    fail(
      "usage",
      `expected one of minutes, steps and epochs but received ${budgets.map(([key]) => key).join(" and ")}`,
    );
  const { model, train: settings, condition = null } = structuredClone(preset);
  const run = completeDraft(
    {
      format: 1,
      // What the images were made of is the caller's: a run of arrays cannot be resumed from its config alone.
      data: data.levels === 2 ? { levels: 2 } : { levels: data.levels },
      model: { ...model, ...options.model },
      condition: data.vectorSize === undefined && condition?.from !== "class" ? null : condition,
      train: {
        ...settings,
        ...options.train,
        budget: budgets.length > 0 ? Object.fromEntries(budgets) : settings.budget,
        seed,
      },
    },
    data.name,
    data,
  );
  let last: TrainedModel | null = null;
  for await (const event of train({ config: run, data, device, threads, signal })) {
    if (event.type === "checkpoint") last = { ...event.model, run, step: event.state.step };
    onEvent?.(event);
  }
  return last ?? failStopped(signal);
}

function failStopped(signal: AbortSignal | undefined): never {
  throw new PixelcnnError("interrupted", "stopped before the first step", { cause: signal?.reason });
}
