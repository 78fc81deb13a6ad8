/**
 * The exact engine's front door: sample, complete and score images with a model, and the two walks that a codec needs.
 * Every number that decides anything is the same on every machine, for any batch and any number of threads
 * (docs/determinism.md).
 */

import { checkInteger, fail, show } from "../errors.ts";
import type { OnProgress } from "../jobs.ts";
import type { ConditionConfig, PixelcnnConfig } from "../models/config.ts";
import { type Conditions, conditionSizeOf, numbersOfConditions } from "./conditions.ts";
import type { KernelName } from "./descriptions.ts";
import { layOut } from "./layout.ts";
import { type SymbolSource, stepwise } from "./loop.ts";
import { createPlan, type ExactModel } from "./plan.ts";
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
import { type EngineThread, openEngineThreads } from "./workers.ts";

export type { Condition, Conditions } from "./conditions.ts";

export interface EngineOptions {
  /** "reference" is plain TypeScript, some hundred times slower: the oracle. */
  readonly kernel?: KernelName;
  /**
   * Threads beside the calling one; default 0: run in the calling thread, row by row, letting others run in between.
   */
  readonly threads?: number;
  /** Most images in lock step; default 64. Wide ones run fewer at a time, to keep their buffers below 512 MiB. */
  readonly batch?: number;
  /**
   * Starts one thread; for pages whose bundler does not find the worker by itself: `() => webThread(new Worker(...))`
   * (docs/web.md).
   */
  readonly startThread?: () => EngineThread;
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
  /**
   * One for all images, or one per image; null or absent, for all or for one, leaves the condition out. A map fixes the
   * size of the images.
   */
  readonly conditions?: Conditions;
  readonly signal?: AbortSignal | undefined;
}

export interface ProgressOptions extends RunOptions {
  /** Called after rows: how many rows of all images are done. */
  readonly onProgress?: OnProgress | undefined;
}

export interface DrawOptions extends ProgressOptions {
  readonly seed?: number | undefined;
  /** Number of the first image among this seed's: `first: 64` goes on where 64 images ended. Default 0. */
  readonly first?: number | undefined;
  /** Divides the logits; below 1 likelier images, above 1 stranger ones. Default 1. */
  readonly temperature?: number | undefined;
  /**
   * How far to go on from what the model gives without the condition through what it gives with it
   * (docs/conditioning.md): above 0 clearer images of the condition, and less varied ones; twice the work. Needs
   * conditions. Default 0.
   */
  readonly guidance?: number | undefined;
  /** Called with each row of some of the images as soon as it is drawn: to show images while they grow. */
  readonly onRow?: ((row: DrawnRow) => void) | undefined;
}

/** One row of `count` neighbouring images. */
export interface DrawnRow {
  /** Index of the first of the images. */
  readonly first: number;
  readonly count: number;
  readonly row: number;
  /** [count, W, C]. */
  readonly levels: Uint8Array;
}

export interface SampleOptions extends DrawOptions {
  readonly count: number;
  /** Default: the size that the model was trained on. */
  readonly height?: number | undefined;
  readonly width?: number | undefined;
}

export interface CompleteOptions extends DrawOptions {
  readonly images: GivenImages;
  /** Rows given from the top; or `mask`. Pixels given after a gap are kept, but do not inform the gap. */
  readonly rows?: number | undefined;
  /** [H, W], not 0 where a pixel is given. */
  readonly mask?: Uint8Array | undefined;
}

export interface Engine {
  readonly config: PixelcnnConfig;
  readonly channels: number;
  readonly levels: number;
  /** What images can be conditioned on; null for a model without condition. */
  readonly condition: ConditionConfig | null;
  /**
   * Numbers of a condition that is given as numbers: one a class, those of a vector or of a map; 0 for a model without
   * condition.
   */
  readonly conditionSize: number;
  /** Image i of seed s is the same whatever else is drawn with it. */
  sample(options: SampleOptions): Promise<Images>;
  complete(options: CompleteOptions): Promise<Images>;
  /** Bits of each sub-pixel, [count, H, W, C]. */
  score(options: { readonly images: GivenImages } & ProgressOptions): Promise<Float64Array>;
  /**
   * The images are known: `onRow(row, starts, frequencies)` for each row from the top, both [W, C, count]: where the
   * given level's interval starts and how wide it is, out of 2^24. All images in one lock step. Runs in a thread of its
   * own if there are any.
   */
  forced(images: Uint8Array, size: GroupSize, onRow: OnRow, options?: RunOptions): Promise<void>;
  /** The images are asked for: `source` says each level. All images in one lock step, in the calling thread. */
  stepwise(size: GroupSize, source: SymbolSource, options?: RunOptions): Promise<Uint8Array>;
  /**
   * Bytes of buffers that a lock step of `count` images takes, `guided` or not, whatever their height; more than 2 GiB
   * are refused.
   */
  memoryFor(size: { readonly count: number; readonly width: number; readonly guided?: boolean | undefined }): number;
  /** Ends the threads. */
  close(): Promise<void>;
}

export type OnRow = (row: number, starts: Uint32Array, frequencies: Uint32Array) => void;

/** Wide images run fewer at a time, so that a batch's buffers stay below this. */
const MEMORY = 512 * 2 ** 20;

/** Checks and packs a model, and readies an engine that runs it. */
export function createEngine(model: ExactModel, options: EngineOptions = {}): Engine {
  const { kernel = "wasm", startThread } = options;
  if (kernel !== "wasm" && kernel !== "reference")
    fail("usage", `expected "wasm" or "reference" for kernel but received ${show(kernel)}`);
  const threads = checkInteger("threads", options.threads ?? 0, 0, 1024);
  const batch = checkInteger("batch", options.batch ?? 64, 1);
  const plan = createPlan(model);
  const { config } = plan;
  const { channels, levels } = config;
  let canvases = new CanvasPool(plan, kernel);
  const pool = threads > 0 ? openEngineThreads({ plan, kernel }, threads, startThread) : null;
  const run = (task: Task, how: DriveOptions): Promise<TaskResult> =>
    pool === null ? drive(runTask(canvases, task), how) : pool.run(task, how);

  const memoryFor: Engine["memoryFor"] = ({ count, width, guided }) => layOut(plan, count, width, guided).end;

  /** Runs one task a batch, all threads busy, and hands each result to `collect`. */
  async function inBatches(
    size: GroupSize,
    {
      signal,
      onProgress,
      onRow,
      conditions,
      guided,
    }: Pick<DrawOptions, "onRow"> & ProgressOptions & { readonly guided?: boolean },
    taskOf: (part: GroupSize & { conditions: Float32Array | undefined }, first: number) => Task,
    collect: (result: NonNullable<TaskResult>, first: number) => void,
  ): Promise<void> {
    const { count, height } = size;
    const numbers = numbersOfConditions(plan, conditions, size);
    if (guided && numbers === undefined)
      fail("usage", "expected conditions for guidance, which goes from no condition to a condition, but received none");
    const D = (numbers?.length ?? 0) / count;
    let most = Math.min(batch, Math.ceil(count / Math.max(1, threads)));
    while (most > 1 && memoryFor({ count: most, width: size.width, guided }) > MEMORY) most = Math.ceil(most / 2);
    let done = 0;
    const parts: Promise<void>[] = [];
    const stop = new AbortController();
    const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    for (let first = 0; first < count; first += most) {
      const part = { ...size, count: Math.min(most, count - first) };
      const onTaskRow = ({ row, levels: drawn }: TaskRow): void => {
        done += part.count;
        if (drawn) onRow?.({ first, count: part.count, row, levels: drawn });
        onProgress?.({ done, total: count * height });
      };
      const work = async (): Promise<void> => {
        const task = taskOf({ ...part, conditions: numbers?.subarray(first * D, (first + part.count) * D) }, first);
        try {
          collect((await run(task, { signal: either, onRow: onTaskRow }))!, first);
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

  async function draw(
    size: GroupSize,
    options: DrawOptions,
    given?: { pixels: Uint8Array; mask: Uint8Array },
  ): Promise<Images> {
    const seed = checkInteger("seed", options.seed ?? 1, 0);
    const number = checkInteger("first", options.first ?? 0, 0);
    const temperature = options.temperature ?? 1;
    if (!(typeof temperature === "number" && temperature > 0 && temperature < Infinity)) {
      fail("usage", `expected a positive temperature but received ${show(temperature)}`);
    }
    const guidance = checkGuidance(options.guidance ?? 0);
    const perImage = size.height * size.width * channels;
    const pixels = new Uint8Array(size.count * perImage);
    await inBatches(
      size,
      { ...options, guided: guidance > 0 },
      (part, first) => ({
        ...part,
        kind: "draw",
        seed,
        first: number + first,
        temperature,
        guidance,
        watched: options.onRow !== undefined,
        given: given && { ...given, pixels: given.pixels.subarray(first * perImage, (first + part.count) * perImage) },
      }),
      (result, first) => pixels.set(result as Uint8Array, first * perImage),
    );
    return { ...size, channels, pixels };
  }

  function checkGuidance(guidance: number): number {
    // 1 + g and g become float32 numbers.
    if (!(typeof guidance === "number" && guidance >= 0 && Math.fround(1 + guidance) < Infinity))
      fail("usage", `expected a finite guidance of at least 0 but received ${show(guidance)}`);
    if (guidance > 0 && plan.condition === null) fail("usage", "expected no guidance: the model has no condition");
    return guidance;
  }

  function checkSize({ count, height, width }: GroupSize): GroupSize {
    checkFits(checkInteger("height", height, 1), checkInteger("width", width, 1));
    return { count: checkInteger("count", count, 1), height, width };
  }

  function checkFits(height: number, width: number): void {
    if (plan.positioned.length > 0 && (height !== config.height || width !== config.width))
      fail(
        "usage",
        `expected images of ${config.height}x${config.width} pixels, since the model has learned numbers for each ` +
          `position, but received ${height}x${width}`,
      );
  }

  /** The size of given images, after checking every level. */
  function checkImages({ height, width, pixels }: GivenImages): GroupSize {
    const perImage = checkInteger("height", height, 1) * checkInteger("width", width, 1) * channels;
    checkFits(height, width);
    const count = pixels.length / perImage;
    if (!Number.isInteger(count) || count === 0) {
      fail(
        "data",
        `expected whole images of ${height}x${width} pixels and ${channels} channels, ${perImage} levels each, but ` +
          `received ${pixels.length} levels`,
      );
    }
    const bad = pixels.findIndex((level) => level >= levels);
    if (bad >= 0)
      fail("data", `expected levels below ${levels} but image ${Math.floor(bad / perImage)} has ${pixels[bad]}`);
    return { count, height, width };
  }

  return {
    config,
    channels,
    levels,
    condition: plan.condition,
    conditionSize: conditionSizeOf(plan.condition),
    sample: async ({ count, height = config.height, width = config.width, ...rest }) =>
      draw(checkSize({ count, height, width }), rest),
    async complete({ images, rows, mask, ...rest }) {
      const size = checkImages(images);
      const { height, width } = size;
      if ((rows === undefined) === (mask === undefined))
        fail("usage", "expected either rows or a mask for a completion");
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
      const task: Task = {
        ...checkSize(size),
        kind: "intervals",
        pixels,
        conditions: numbersOfConditions(plan, conditions, size),
      };
      await run(task, { signal, onRow: ({ row, starts, frequencies }) => onRow(row, starts!, frequencies!) });
    },
    async stepwise(size, source, { conditions, signal } = {}) {
      const { count, height, width } = checkSize(size);
      const numbers = numbersOfConditions(plan, conditions, { count, height, width });
      const canvas = canvases.take(count, width);
      const pixels = new Uint8Array(count * height * width * channels);
      const rows = function* (): Generator<TaskRow, void> {
        for (const row of stepwise(canvas, height, source, pixels)) yield { row };
      };
      try {
        canvas.begin({ conditions: numbers });
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
