/** What a thread of the exact engine does: tasks of one plan, on a kernel and memory of its own. */

import { serveWork } from "../threads/pool.ts";
import type { KernelName } from "./descriptions.ts";
import type { Plan } from "./plan.ts";
import { CanvasPool, drive, runTask, type Task, type TaskResult, type TaskRow } from "./tasks.ts";

export interface EngineSetup {
  readonly plan: Plan;
  readonly kernel: KernelName;
}

export const serveTasks = serveWork<EngineSetup, Task, TaskRow, TaskResult>(
  ({ plan, kernel }) => {
    const canvases = new CanvasPool(plan, kernel);
    return (task, { signal, onProgress }) => drive(runTask(canvases, task), { signal, onRow: onProgress });
  },
  (result) => (result === null ? [] : [result.buffer as ArrayBuffer]),
);
