/**
 * Threads of the exact engine: worker_threads in Node, web workers in browsers. Each runs whole tasks on its own
 * kernel and memory, so the number of threads cannot change a bit.
 */

import { PixelcnnError } from "../errors.ts";
import { nodeThread, nodeThreads, sourceOf } from "../threads/node-thread.ts";
import { own, type PoolThread, ThreadPool } from "../threads/pool.ts";
import { webThread } from "../threads/thread.ts";
import { type EngineSetup, serveTasks } from "./serve-tasks.ts";
import type { DriveOptions, Task, TaskResult, TaskRow } from "./tasks.ts";

export type EngineThread = PoolThread<EngineSetup, Task, TaskRow, TaskResult>;

export interface EngineThreads {
  run(task: Task, options?: DriveOptions): Promise<TaskResult>;
  close(): Promise<void>;
}

export function openEngineThreads(
  setup: EngineSetup,
  size: number,
  start: () => EngineThread = startThread,
): EngineThreads {
  const pool = new ThreadPool<EngineSetup, Task, TaskRow, TaskResult>({
    size,
    setup,
    start,
    of: "the exact engine",
    standIn: { serve: serveTasks, worker: "worker" },
    closed: () => new PixelcnnError("interrupted", "stopped: the engine was closed"),
  });
  return {
    run: (task, { signal, onRow } = {}) => pool.run(ownViews(task), { signal, onProgress: onRow }),
    close: () => pool.close(),
  };
}

/** Starts worker.ts (or, in a compiled package, worker.js). */
function startThread(): EngineThread {
  const threads = nodeThreads();
  const source = sourceOf(import.meta.url, "worker.ts");
  // Bundlers look for exactly `new Worker(new URL("./worker.js", import.meta.url), ...)`.
  if (threads) return nodeThread(new threads.Worker(source ?? new URL("./worker.js", import.meta.url)));
  if (source) return webThread(new Worker(source, { type: "module" }));
  return webThread(new Worker(new URL("./worker.js", import.meta.url), { type: "module" }));
}

function ownViews(task: Task): Task {
  const conditions = task.conditions && own(task.conditions);
  if (task.kind !== "draw") return { ...task, conditions, pixels: own(task.pixels) };
  return { ...task, conditions, given: task.given && { pixels: own(task.given.pixels), mask: own(task.given.mask) } };
}
