/**
 * The exact engine's front door: sample, complete and score images with a model, and the two walks that a codec needs. Every number
 * that decides anything is the same on every machine, for any batch and any number of threads (docs/determinism.md).
 */

import { checkInteger, fail, show } from "../errors.ts";
import type { KernelName } from "./descriptions.ts";
import { layOut } from "./layout.ts";
import { type SymbolSource, stepwise } from "./loop.ts";
import type { RasterConfig, RasterModel } from "./parameters.ts";
import { createPlan } from "./plan.ts";
import {
  CanvasPool,
  type DriveOptions,
  drive,
  type GroupSize,
  runTask,
  type Task,
  type TaskResult,
  type TaskRow,
} from "./tasks.ts";
import { type Thread, ThreadPool } from "./workers.ts";

/** A class, or a vector of D numbers. */
export type Condition = number | Float32Array;

export interface EngineOptions {
  /** "reference" is plain TypeScript, some hundred times slower: the oracle. */
  readonly kernel?: KernelName;
  /** Threads beside the calling one; default 0: run in the calling thread, row by row, letting others run in between. */
  readonly threads?: number;
  /** Most images in lock step; default 64. Wide ones run fewer at a time, to keep their buffers below 512 MiB. */
  readonly batch?: number;
  /** Starts one thread; for bundlers that must see `new Worker(...)` in their own code: `() => webThread(new Worker(...))`. */
  readonly startThread?: () => Thread;
}

/** Images of one size. `pixels` are levels, [count, H, W, C]. */
export interface Images extends GroupSize {
  readonly channels: number;
  readonly pixels: Uint8Array;
}

/** Images to look at: `count` follows from the number of pixels. */
export interface GivenImages {
  readonly height: number;
  readonly width: number;
  readonly pixels: Uint8Array;
}

export interface RunOptions {
  /** One for all images, or one an image; absent for a model without condition, or to leave the condition out. */
  readonly conditions?: Condition | readonly Condition[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ProgressOptions extends RunOptions {
  /** Called after rows: how many rows of all images are done. */
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
}

export interface DrawOptions extends ProgressOptions {
  readonly seed?: number | undefined;
  /** Number of the first image among this seed's: `first: 64` goes on where 64 images ended. Default 0. */
  readonly first?: number | undefined;
  /** Divides the logits; below 1 likelier images, above 1 stranger ones. Default 1. */
  readonly temperature?: number | undefined;
}

export interface SampleOptions extends DrawOptions {
  readonly count: number;
  readonly height: number;
  readonly width: number;
}

export interface CompleteOptions extends DrawOptions {
  readonly images: GivenImages;
  /** Rows given from the top; or `mask`. Pixels given after a gap are kept, but do not inform the gap. */
  readonly rows?: number | undefined;
  /** [H, W], not 0 where a pixel is given. */
  readonly mask?: Uint8Array | undefined;
}

export interface Engine {
  readonly config: RasterConfig;
  readonly channels: number;
  readonly levels: number;
  /** Classes, or numbers in a condition vector; 0 for a model without condition. */
  readonly conditionSize: number;
  /** Image i of seed s is the same whatever else is drawn with it. */
  sample(options: SampleOptions): Promise<Images>;
  complete(options: CompleteOptions): Promise<Images>;
  /** Bits of each sub-pixel, [count, H, W, C]. */
  score(options: { readonly images: GivenImages } & ProgressOptions): Promise<Float64Array>;
  /**
   * The images are known: `onRow(row, starts, frequencies)` for each row from the top, both [W, C, count]: where the given level's
   * interval starts and how wide it is, out of 2^24. All images in one lock step. Runs in a thread of its own if there are any.
   */
  forced(images: Uint8Array, size: GroupSize, onRow: OnRow, options?: RunOptions): Promise<void>;
  /** The images are asked for: `source` says each level. All images in one lock step, in the calling thread. */
  stepwise(size: GroupSize, source: SymbolSource, options?: RunOptions): Promise<Uint8Array>;
  /** Bytes of buffers that a lock step of `count` images takes, whatever their height; more than 2 GiB are refused. */
  memoryFor(size: { readonly count: number; readonly width: number }): number;
  /** Ends the threads. */
  close(): Promise<void>;
}

export type OnRow = (row: number, starts: Uint32Array, frequencies: Uint32Array) => void;

/** Wide images run fewer at a time, so that a batch's buffers stay below this. */
const MEMORY = 512 * 2 ** 20;

/** Checks and packs a model, and readies an engine that runs it. */
export function createEngine(model: RasterModel, options: EngineOptions = {}): Engine {
  const { kernel = "wasm", startThread } = options;
  if (kernel !== "wasm" && kernel !== "reference")
    fail("usage", `expected "wasm" or "reference" for kernel but received ${show(kernel)}`);
  const threads = checkInteger("threads", options.threads ?? 0, 0, 1024);
  const batch = checkInteger("batch", options.batch ?? 64, 1);
  const plan = createPlan(model);
  const { config } = plan;
  const { channels, levels } = config;
  const D = config.condition?.size ?? 0;
  let canvases = new CanvasPool(plan, kernel);
  const pool = threads > 0 ? new ThreadPool(plan, kernel, threads, startThread) : null;
  const run = (task: Task, how: DriveOptions): Promise<TaskResult> =>
    pool === null ? drive(runTask(canvases, task), how) : pool.run(task, how);

  const memoryFor = ({ count, width }: { count: number; width: number }): number => layOut(plan, count, width).end;

  /** Runs one task a batch, all threads busy, and hands each result to `collect`. */
  async function inBatches(
    size: GroupSize,
    { signal, onProgress, conditions }: ProgressOptions,
    taskOf: (part: GroupSize & { conditions: Float32Array | undefined }, first: number) => Task,
    collect: (result: NonNullable<TaskResult>, first: number) => void,
  ): Promise<void> {
    const { count, height } = size;
    const vectors = conditionVectors(conditions, count);
    let most = Math.min(batch, Math.ceil(count / Math.max(1, threads)));
    while (most > 1 && memoryFor({ count: most, width: size.width }) > MEMORY) most = Math.ceil(most / 2);
    let done = 0;
    const parts: Promise<void>[] = [];
    const stop = new AbortController();
    const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    for (let first = 0; first < count; first += most) {
      const part = { ...size, count: Math.min(most, count - first) };
      const onRow = (): void => {
        done += part.count;
        onProgress?.({ done, total: count * height });
      };
      const work = async (): Promise<void> => {
        const task = taskOf({ ...part, conditions: vectors?.subarray(first * D, (first + part.count) * D) }, first);
        try {
          collect((await run(task, { signal: either, onRow }))!, first);
        } catch (error) {
          stop.abort(); // one failure ends the others; it comes first and is what the caller gets
          throw error;
        }
      };
      if (pool === null) await work();
      else parts.push(work());
    }
    await Promise.all(parts);
  }

  async function draw(size: GroupSize, options: DrawOptions, given?: { pixels: Uint8Array; mask: Uint8Array }): Promise<Images> {
    const seed = checkInteger("seed", options.seed ?? 1, 0);
    const number = checkInteger("first", options.first ?? 0, 0);
    const temperature = options.temperature ?? 1;
    if (!(typeof temperature === "number" && temperature > 0 && temperature < Infinity)) {
      fail("usage", `expected a positive temperature but received ${show(temperature)}`);
    }
    const perImage = size.height * size.width * channels;
    const pixels = new Uint8Array(size.count * perImage);
    await inBatches(
      size,
      options,
      (part, first) => ({
        ...{ ...part, kind: "draw", seed, first: number + first, temperature },
        given: given && { ...given, pixels: given.pixels.subarray(first * perImage, (first + part.count) * perImage) },
      }),
      (result, first) => pixels.set(result as Uint8Array, first * perImage),
    );
    return { ...size, channels, pixels };
  }

  /** [count, D] from classes and vectors. */
  function conditionVectors(conditions: RunOptions["conditions"], count: number): Float32Array | undefined {
    if (conditions === undefined) return undefined;
    if (D === 0) fail("usage", "expected no conditions: the model has none");
    const each = Array.isArray(conditions)
      ? (conditions as readonly Condition[])
      : new Array<Condition>(count).fill(conditions as Condition);
    if (each.length !== count) fail("usage", `expected ${count} conditions, one an image, but received ${each.length}`);
    const vectors = new Float32Array(count * D);
    for (const [i, condition] of each.entries()) {
      if (typeof condition === "number") vectors[i * D + checkInteger(`the class of image ${i}`, condition, 0, D - 1)] = 1;
      else if (condition.length !== D)
        fail("usage", `expected ${D} numbers in the condition of image ${i} but received ${condition.length}`);
      else vectors.set(condition, i * D);
    }
    const bad = vectors.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0)
      fail("usage", `expected finite numbers in the condition of image ${Math.floor(bad / D)} but received ${vectors[bad]}`);
    return vectors;
  }

  function checkSize({ count, height, width }: GroupSize): GroupSize {
    return {
      count: checkInteger("count", count, 1),
      height: checkInteger("height", height, 1),
      width: checkInteger("width", width, 1),
    };
  }

  /** The size of given images, after checking every level. */
  function checkImages({ height, width, pixels }: GivenImages): GroupSize {
    const perImage = checkInteger("height", height, 1) * checkInteger("width", width, 1) * channels;
    const count = pixels.length / perImage;
    if (!Number.isInteger(count) || count === 0) {
      fail(
        "data",
        `expected whole images of ${height}x${width} pixels and ${channels} channels, ${perImage} levels each, but received ${pixels.length} levels`,
      );
    }
    const bad = pixels.findIndex((level) => level >= levels);
    if (bad >= 0) fail("data", `expected levels below ${levels} but image ${Math.floor(bad / perImage)} has ${pixels[bad]}`);
    return { count, height, width };
  }

  return {
    config,
    channels,
    levels,
    conditionSize: D,
    sample: async ({ count, height, width, ...rest }) => draw(checkSize({ count, height, width }), rest),
    async complete({ images, rows, mask, ...rest }) {
      const size = checkImages(images);
      const { height, width } = size;
      if ((rows === undefined) === (mask === undefined)) fail("usage", "expected either rows or a mask for a completion");
      const given = mask ?? new Uint8Array(height * width).fill(1, 0, checkInteger("rows", rows, 0, height) * width);
      if (given.length !== height * width)
        fail("usage", `expected a mask of ${height}x${width} pixels but received ${given.length}`);
      return draw(size, rest, { pixels: images.pixels, mask: given });
    },
    async score({ images, ...rest }) {
      const size = checkImages(images);
      const perImage = images.pixels.length / size.count;
      const bits = new Float64Array(images.pixels.length);
      await inBatches(
        size,
        rest,
        (part, first) => ({
          ...part,
          kind: "score",
          pixels: images.pixels.subarray(first * perImage, (first + part.count) * perImage),
        }),
        (result, first) => bits.set(result as Float64Array, first * perImage),
      );
      return bits;
    },
    async forced(pixels, size, onRow, { conditions, signal } = {}) {
      const { count } = checkImages({ ...size, pixels });
      if (count !== size.count) fail("usage", `expected ${size.count} images but received ${count}`);
      const task: Task = { ...checkSize(size), kind: "intervals", pixels, conditions: conditionVectors(conditions, count) };
      await run(task, { signal, onRow: ({ row, starts, frequencies }) => onRow(row, starts!, frequencies!) });
    },
    async stepwise(size, source, { conditions, signal } = {}) {
      const { count, height, width } = checkSize(size);
      const vectors = conditionVectors(conditions, count);
      const canvas = canvases.take(count, width);
      const pixels = new Uint8Array(count * height * width * channels);
      const rows = function* (): Generator<TaskRow, void> {
        for (const row of stepwise(canvas, height, source, pixels)) yield { row };
      };
      try {
        canvas.begin({ conditions: vectors });
        await drive(rows(), { signal });
        return pixels;
      } finally {
        canvases.give(canvas);
      }
    },
    memoryFor,
    async close() {
      canvases = new CanvasPool(plan, kernel);
      await pool?.close();
    },
  };
}
