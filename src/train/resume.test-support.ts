/**
 * A tiny run and its data. Run as a process, `resume.test-support.ts FOLDER THREADS`, it goes on from the folder's
 * state to the end and saves there.
 */

import { pathToFileURL } from "node:url";
import { binariseStochastically, type Dataset, datasetFromArrays } from "../data/dataset.ts";
import { randomFrom } from "../random.ts";
import { loadState, readRunConfig, saveCheckpoint } from "../runs/run-folder.ts";
import { type RunConfig, resolveRun } from "./config.ts";
import { type TrainEvent, type TrainOptions, train } from "./loop.ts";
import type { RunState } from "./state.ts";

export interface TinyOptions {
  readonly budget: RunConfig["train"]["budget"];
  readonly model?: Partial<RunConfig["model"]>;
  readonly train?: Partial<RunConfig["train"]>;
}

/** A run on 6x5 images of 2 levels. Of 11 images, a batch of 4 often reaches over an epoch's end. */
export function tinyRun({ budget, model = {}, train: settings = {} }: TinyOptions): RunConfig {
  return resolveRun({
    data: { source: "blots" },
    model: {
      height: 6,
      width: 5,
      channels: 1,
      levels: 2,
      features: 4,
      depth: 2,
      firstKernel: 3,
      skip: 4,
      head: { features: 6 },
      ...model,
    },
    train: { batch: 4, rate: 1e-2, warmup: 3, weightDecay: 0.01, average: 0.9, clip: 5, ...settings, budget },
  });
}

/** Grey stripes, drawn anew as two levels each epoch. */
export function tinyData(images = 11, { height = 6, width = 5 } = {}): Dataset {
  const random = randomFrom(77);
  const size = height * width;
  const pixels = new Uint8Array(images * size);
  for (let i = 0; i < images; i++) {
    const phase = random.below(2);
    for (let p = 0; p < size; p++) pixels[i * size + p] = (Math.floor(p / width) + phase) % 2 === 0 ? 220 : 30;
  }
  const parts = { name: "blots", split: "train", height, width, channels: 1, levels: 256, classes: null };
  return binariseStochastically(datasetFromArrays(parts, pixels), 5);
}

/** All events of a run. */
export async function collect(options: TrainOptions): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of train(options)) events.push(event);
  return events;
}

/** The state that a run's last event, a checkpoint, carries. */
export function stateOf(events: readonly TrainEvent[]): RunState {
  const last = events.at(-1);
  if (last?.type !== "checkpoint") throw new Error(`expected a checkpoint as the last event but found ${last?.type}`);
  return last.state;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [folder, threads] = [process.argv[2]!, Number(process.argv[3])];
  const config = await readRunConfig(folder);
  const events = await collect({ config, data: tinyData(), from: await loadState(folder, config), threads });
  await saveCheckpoint(folder, config, stateOf(events));
  const steps = events.flatMap((e) =>
    e.type === "step" ? [{ step: e.step, loss: e.loss, rate: e.rate, norm: e.norm }] : [],
  );
  console.log(JSON.stringify(steps));
}
