/**
 * The training loop: an async generator of events. It prints nothing; the command line prints, the server streams, the
 * tests collect. All that a step draws (initial weights, order of the images, binarisation) is named by the seed and
 * the step's number, so a run that stops and resumes is, to the bit, the run that did not (with a budget of steps or
 * epochs; a budget of minutes sets the rate by the clock).
 */

import type { Dataset } from "../data/dataset.ts";
import { fail, PixelcnnError } from "../errors.ts";
import { lossUnit, modelParameters, uniformLoss } from "../models/families.ts";
import type { Model } from "../models/model.ts";
import { countOf, unflatten } from "../network/parameters.ts";
import type { Device } from "../onnx/session.ts";
import { scheduleVector } from "./adam.ts";
import { openBatches, type TrainBatch } from "./batches.ts";
import type { RunConfig, TrainConfig } from "./config.ts";
import { firstState } from "./principal-start.ts";
import type { RunState } from "./state.ts";
import { type OpenShards, openStepper } from "./stepper.ts";

export type TrainEvent =
  | {
      readonly type: "start";
      readonly step: number;
      readonly parameters: number;
      readonly images: number;
      readonly device: Device;
      readonly threads: number;
    }
  | StepEvent
  /**
   * A good moment to save, test and sample; the clock stands still while the consumer does so. `last` marks the end of
   * the budget.
   */
  | { readonly type: "checkpoint"; readonly state: RunState; readonly model: Model; readonly last: boolean };

export interface StepEvent {
  readonly type: "step";
  /** From 1. */
  readonly step: number;
  /** Images drawn so far, divided by the images in the data: passes over the data, unless classes are balanced. */
  readonly epoch: number;
  /** Mean loss per image of this step's batch, in `unit`. */
  readonly loss: number;
  readonly unit: ReturnType<typeof lossUnit>;
  /** The loss in bits/dim; null where its unit is not nats. */
  readonly bitsPerDim: number | null;
  readonly norm: number;
  readonly rate: number;
  /** Seconds of training so far, over all resumes. */
  readonly seconds: number;
  /** Part of the budget used, 0 .. 1. */
  readonly progress: number;
  /** Over the last steps. */
  readonly imagesPerSecond: number;
}

export interface TrainOptions {
  readonly config: RunConfig;
  readonly data: Dataset;
  /** Resume from here. */
  readonly from?: RunState | undefined;
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  /** Who works out the shards of the steps, drawing the images itself; default threads of this process. */
  readonly openShards?: OpenShards | undefined;
  /** Stops after the step in progress, with a last checkpoint. */
  readonly signal?: AbortSignal | undefined;
}

/** Part of the budget that is used up, 0 .. 1. */
export function progressOf(
  budget: TrainConfig["budget"],
  step: number,
  seconds: number,
  stepsPerEpoch: number,
): number {
  if ("steps" in budget) return budget.steps === 0 ? 1 : Math.min(1, step / budget.steps);
  if ("epochs" in budget) return Math.min(1, step / Math.max(1, Math.round(budget.epochs * stepsPerEpoch)));
  return Math.min(1, seconds / 60 / budget.minutes);
}

/**
 * Learning rate of step t (from 1) when `progress` of the budget is used up: linear warm-up, then to finalRate by a
 * cosine or by a line near the end, or constant.
 */
export function rateAt(train: TrainConfig, t: number, progress: number): number {
  const rise = train.warmup === 0 ? 1 : Math.min(1, t / train.warmup);
  const left = {
    constant: 1,
    cosine: 0.5 * (1 + Math.cos(Math.PI * progress)),
    cooldown: Math.min(1, (1 - progress) / train.cooldown),
  }[train.decay];
  return train.rate * rise * (train.finalRate + (1 - train.finalRate) * left);
}

/** Decay of the moving average at step t: young averages forget faster, so that the first weights do not linger. */
export function averageDecayAt(train: TrainConfig, t: number): number {
  return Math.min(train.average, t / (t + 10));
}

/** Throws when the loss says that the run is lost; `limit` is several times the nats of a uniform guess. */
function checkLoss(loss: number, norm: number, step: number, limit: number, unit: ReturnType<typeof lossUnit>): void {
  if (Number.isFinite(loss) && Number.isFinite(norm) && loss <= limit) return;
  const what =
    Number.isFinite(loss) && Number.isFinite(norm)
      ? `${loss.toFixed(1)} ` +
        `${unit === "nats" ? "nats an image, far above a uniform guess" : `(${unit}), far above a blind guess`}`
      : "not a number";
  fail(
    "diverged",
    `training diverged at step ${step}: the loss is ${what}. The last checkpoint is whole. ` +
      "Try a lower rate (--set train.rate=...), a longer warm-up (train.warmup) or a smaller clip (train.clip)",
  );
}

export async function* train({
  config,
  data,
  from,
  device,
  threads,
  openShards,
  signal,
}: TrainOptions): AsyncGenerator<TrainEvent, void> {
  const { model, train: settings } = config;
  for (const axis of ["height", "width", "channels", "levels"] as const) {
    if (data[axis] !== model[axis])
      fail(
        "usage",
        `expected images of ${axis} ${model[axis]}, as the model's config says, but ${data.name} has ${axis} ` +
          `${data[axis]}`,
      );
  }
  if (data.length === 0) fail("data", `expected at least one image to train on but ${data.name} has none`);
  const state = from ?? (await firstState(config, data, { threads }));
  const specs = modelParameters(model);
  const unit = lossUnit(model);
  const dims = model.height * model.width * model.channels;
  const uniform = uniformLoss(model);
  // Shards that draw their images themselves need none from here.
  const read = openShards ? async () => ({ pixels: new Uint8Array(0) }) : await openBatches(config, data);
  const stepper = await openStepper({
    model,
    batch: settings.batch,
    shard: settings.shard,
    adam: settings,
    start: state,
    device,
    threads,
    openShards,
  });
  try {
    yield {
      type: "start",
      step: state.step,
      parameters: countOf(specs),
      images: data.length,
      device: stepper.device,
      threads: stepper.threads,
    };
    const snapshot = (): RunState => ({ step, seconds, ...stepper.state() });
    const stepsPerEpoch = data.length / settings.batch;
    let { step, seconds } = state;
    let saved = step;
    let lastSave = seconds;
    const recent: { seconds: number }[] = [{ seconds }];
    let pending: Promise<TrainBatch> | null = null;
    let clock = performance.now();

    for (;;) {
      const progress = progressOf(settings.budget, step, seconds, stepsPerEpoch);
      const over = progress >= 1 || signal?.aborted === true;
      if (over || seconds - lastSave >= settings.checkpointMinutes * 60) {
        if (step > saved || over)
          yield {
            type: "checkpoint",
            state: snapshot(),
            model: { config: model, parameters: unflatten(specs, stepper.state().average) },
            last: progress >= 1,
          };
        saved = step;
        lastSave = seconds;
        clock = performance.now();
      }
      if (over) break;

      const images = await (pending ?? read(step));
      // The next batch is read while this one is computed. A read that fails is reported when its turn comes.
      pending = read(step + 1);
      pending.catch(() => undefined);
      const t = step + 1;
      const rate = rateAt(settings, t, progress);
      const schedule = scheduleVector(t, rate, settings, averageDecayAt(settings, t));
      const taken = await stepper.step({ ...images, schedule, step }).catch((error) => {
        // Nobody may be there to finish the step: then what was reached before it is the last checkpoint.
        if (signal?.aborted && error instanceof PixelcnnError && error.kind === "interrupted") return null;
        throw error;
      });
      if (!taken) continue;
      const { loss, norm } = taken;
      checkLoss(loss, norm, t, 4 * uniform, unit);
      step = t;
      const now = performance.now();
      seconds += (now - clock) / 1000;
      clock = now;
      recent.push({ seconds });
      if (recent.length > 20) recent.shift();
      const took = seconds - recent[0]!.seconds;
      const imagesPerSecond = took > 0 ? ((recent.length - 1) * settings.batch) / took : 0;
      yield {
        type: "step",
        step,
        epoch: (step * settings.batch) / data.length,
        loss,
        unit,
        bitsPerDim: unit === "nats" ? loss / dims / Math.LN2 : null,
        norm,
        rate,
        seconds,
        progress: progressOf(settings.budget, step, seconds, stepsPerEpoch),
        imagesPerSecond,
      };
      clock = performance.now();
    }
  } finally {
    await stepper.close();
  }
}
