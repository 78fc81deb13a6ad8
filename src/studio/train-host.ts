/** Training, in a worker of its own: the page stays quick, and sampling goes on in the other worker. */

import { expose, transfer } from "comlink";
import { type Dataset, datasetFromArrays, quantise } from "../data/dataset.ts";
import { fail } from "../errors.ts";
import { createEngine } from "../exact/engine.ts";
import { nextTurn } from "../jobs.ts";
import { pixelcnnOf } from "../models/model.ts";
import type { Device } from "../onnx/session.ts";
import { completeDraft } from "../runs/complete-draft.ts";
import { modelFiles, type TrainedModel } from "../runs/model-files.ts";
import { PRESETS } from "../runs/presets.ts";
import { train } from "../train/loop.ts";
import type { RunState } from "../train/state.ts";
import { guarded } from "./guarded.ts";
import { imagesOf, type PageImages, type PageSet } from "./page-sets.ts";

export interface TrainWish {
  readonly levels: number;
  readonly features: number;
  readonly depth: number;
  readonly batch: number;
  readonly rate: number;
  readonly device: Device;
}

export interface TrainingStep {
  readonly step: number;
  readonly loss: number;
  readonly seconds: number;
  readonly imagesPerSecond: number;
}

export interface TrainingView {
  readonly step: number;
  /** Samples of the averaged weights, [16, H, W, C]. */
  readonly samples: Uint8Array;
}

/** About the set that is open, with its first images for a look. */
export interface SetInfo {
  readonly name: string;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly leftOut: readonly string[];
  /** Values 0 .. 255, [16, H, W, C]. */
  readonly first: Uint8Array;
}

const SAMPLES = 16;

let images: PageImages | null = null;
let trained: TrainedModel | null = null;
let state: RunState | null = null;
let stop = new AbortController();
/** Sets that were asked for so far. */
let asked = 0;

function dataset(levels: number): Dataset {
  const { name, height, width, channels, pixels } = images ?? fail("usage", "expected images to train on");
  const all = datasetFromArrays({ name, split: "train", height, width, channels, levels: 256, classes: null }, pixels);
  return levels === 256 ? all : quantise(all, levels);
}

const host = {
  async open(set: PageSet): Promise<SetInfo> {
    const mine = ++asked;
    const opened = await imagesOf(set);
    // One that comes late takes no other's place.
    if (mine !== asked) fail("interrupted", "another set was asked for");
    images = opened;
    trained = null;
    state = null;
    const { name, count, height, width, channels, leftOut, pixels } = images;
    const first = pixels.slice(0, SAMPLES * height * width * channels);
    return { name, count, height, width, channels, leftOut, first };
  },

  /** Trains until it is stopped; goes on where it stopped when `again`. */
  async train(
    wish: TrainWish,
    again: boolean,
    onStart: (device: Device, parameters: number) => void,
    onStep: (step: TrainingStep) => void,
    onView: (view: TrainingView) => void,
  ): Promise<void> {
    stop = new AbortController();
    const { levels, features, depth, batch, rate, device } = wish;
    const data = dataset(levels);
    const model = { ...PRESETS.folder.model, features, skip: features, depth, head: { features: 2 * features } };
    // A short warm-up: whoever watches wants to see it learn in the first seconds.
    const settings = { batch, rate, warmup: 20, decay: "constant" as const, average: 0.99, checkpointMinutes: 0.2 };
    const run =
      again && trained
        ? trained.run
        : completeDraft(
            {
              format: 1,
              data: { levels },
              model,
              condition: null,
              // A day: the person who watches stops it.
              train: { ...PRESETS.folder.train, ...settings, budget: { minutes: 1440 } },
            },
            data.name,
            data,
          );
    const from = again && state ? state : undefined;
    for await (const event of train({ config: run, data, from, device, signal: stop.signal })) {
      if (event.type === "start") onStart(event.device, event.parameters);
      else if (event.type === "step") {
        const { step, loss, seconds, imagesPerSecond } = event;
        onStep({ step, loss, seconds, imagesPerSecond });
        // The runtime never lets go of this thread by itself: a wish to stop would wait for the end.
        await nextTurn();
      } else {
        state = event.state;
        trained = { ...event.model, run, step: state.step };
        const { height, width } = data;
        const engine = createEngine(pixelcnnOf(trained));
        const { pixels } = await engine.sample({ count: SAMPLES, height, width, seed: 1 });
        await engine.close();
        onView({ step: state.step, samples: pixels });
      }
    }
  },

  stop(): void {
    stop.abort();
  },

  /** config.json and model.safetensors, as `pixelcnn` reads them. */
  files(): { "config.json": string; "model.safetensors": Uint8Array } {
    const files = modelFiles(trained ?? fail("usage", "expected a trained model but nothing was trained yet"));
    return transfer(files, [files["model.safetensors"].buffer]);
  },
};

export type TrainHost = typeof host;

expose(guarded(host));
