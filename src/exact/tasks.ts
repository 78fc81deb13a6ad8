/**
 * What can be asked of the exact engine for some images, as plain data: it runs here or in a worker, with the same
 * bits. Each task is a generator over the rows of the raster loop; {@link drive} runs it without blocking others for
 * long.
 */

import { interrupted } from "../errors.ts";
import { nextTurn } from "../jobs.ts";
import { Canvas } from "./canvas.ts";
import type { KernelName } from "./descriptions.ts";
import { forced, stepwise } from "./loop.ts";
import type { Plan } from "./plan.ts";
import { completeSource, costOf, sampleSource } from "./sources.ts";

/** `count` images of one size, in lock step. Their pixels are [count, H, W, C]. */
export interface GroupSize {
  readonly count: number;
  readonly height: number;
  readonly width: number;
}

interface TaskInput extends GroupSize {
  /** [count, D]; absent to leave the condition out. */
  readonly conditions?: Float32Array | undefined;
}

/** Draws images, or the pixels of them that are not given. */
export interface DrawTask extends TaskInput {
  readonly kind: "draw";
  readonly seed: number;
  /** Number of the first image among the images of this seed. */
  readonly first: number;
  readonly temperature: number;
  /** Above 0, each image goes through the network with and without its condition. */
  readonly guidance: number;
  /** `mask` [H, W] is not 0 where a pixel is given. */
  readonly given?: { readonly pixels: Uint8Array; readonly mask: Uint8Array } | undefined;
  /** Whether each row's levels are reported as soon as they are drawn. */
  readonly watched?: boolean | undefined;
}

/** Watches given images: what is asked for is reported row by row. */
export interface WatchTask extends TaskInput {
  readonly kind: "score" | "intervals";
  readonly pixels: Uint8Array;
}

export type Task = DrawTask | WatchTask;

/**
 * One finished row, in arrays of its own: of a watched "draw", its levels, [count, W, C]; of "intervals", what
 * {@link Canvas.intervals} gives.
 */
export interface TaskRow {
  readonly row: number;
  readonly levels?: Uint8Array;
  readonly starts?: Uint32Array;
  readonly frequencies?: Uint32Array;
}

/** Pixels for "draw", bits of each sub-pixel for "score", nothing for "intervals". */
export type TaskResult = Uint8Array | Float64Array | null;

/** Keeps a few canvases: laying one out and clearing its memory costs as much as some rows. */
export class CanvasPool {
  readonly #plan: Plan;
  readonly #kernel: KernelName;
  readonly #idle: Canvas[] = [];

  constructor(plan: Plan, kernel: KernelName) {
    this.#plan = plan;
    this.#kernel = kernel;
  }

  get plan(): Plan {
    return this.#plan;
  }

  take(count: number, width: number, guided = false): Canvas {
    const at = this.#idle.findIndex((c) => c.count === count && c.width === width && c.guided === guided);
    return at >= 0 ? this.#idle.splice(at, 1)[0]! : new Canvas(this.#plan, this.#kernel, count, width, guided);
  }

  give(canvas: Canvas): void {
    this.#idle.unshift(canvas);
    this.#idle.length = Math.min(this.#idle.length, 2);
  }
}

/** Runs a task; yields each finished row. */
export function* runTask(pool: CanvasPool, task: Task): Generator<TaskRow, TaskResult> {
  const { count, height, width, conditions } = task;
  const { channels } = pool.plan;
  const canvas = pool.take(count, width, task.kind === "draw" && task.guidance > 0);
  try {
    if (task.kind === "draw") {
      const pixels = new Uint8Array(count * height * width * channels);
      let source = sampleSource(task.seed, task.first, count);
      if (task.given !== undefined) source = completeSource(source, task.given, { count, width, channels });
      canvas.begin({ conditions, temperature: task.temperature, guidance: task.guidance });
      for (const row of stepwise(canvas, height, source, pixels))
        yield task.watched ? { row, levels: rowOf(pixels, row, { count, height }) } : { row };
      return pixels;
    }
    canvas.begin({ conditions });
    const perRow = width * channels;
    const bits = task.kind === "score" ? new Float64Array(count * height * perRow) : null;
    let starts = new Uint32Array(perRow * count);
    let frequencies = new Uint32Array(perRow * count);
    for (const row of forced(canvas, height, task.pixels)) {
      canvas.intervals(starts, frequencies);
      if (bits === null) {
        yield { row, starts, frequencies };
        starts = starts.slice();
        frequencies = frequencies.slice();
        continue;
      }
      for (let i = 0; i < perRow; i++) {
        for (let image = 0; image < count; image++)
          bits[(image * height + row) * perRow + i] = costOf(frequencies[i * count + image]!);
      }
      yield { row };
    }
    return bits;
  } finally {
    pool.give(canvas);
  }
}

/** Row `row` of each image of `pixels` [n, H, W, C]: [n, W, C]. */
function rowOf(pixels: Uint8Array, row: number, { count, height }: { count: number; height: number }): Uint8Array {
  const each = pixels.length / (count * height);
  const levels = new Uint8Array(count * each);
  for (let image = 0; image < count; image++) {
    const from = (image * height + row) * each;
    levels.set(pixels.subarray(from, from + each), image * each);
  }
  return levels;
}

/** Longest time without letting others run, in milliseconds (a row is never cut). */
const TURN = 25;

export interface DriveOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onRow?: ((row: TaskRow) => void) | undefined;
}

/**
 * Runs a row generator to its end, pausing now and then for the event loop; stops between rows when the signal says so.
 */
export async function drive<R>(rows: Generator<TaskRow, R>, { signal, onRow }: DriveOptions = {}): Promise<R> {
  try {
    let began = performance.now();
    for (;;) {
      if (signal?.aborted) throw interrupted(signal);
      const next = rows.next();
      if (next.done) return next.value;
      onRow?.(next.value);
      if (performance.now() - began >= TURN) {
        await nextTurn();
        began = performance.now();
      }
    }
  } finally {
    rows.return(undefined as R);
  }
}
