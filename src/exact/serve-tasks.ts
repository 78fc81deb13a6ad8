/**
 * What a thread of the exact engine does: it is sent a plan once and then tasks, one at a time. The protocol: "plan" once, then "task" (or
 * "stop") in; "row" for each finished row, then "result" or "error" out.
 */

import { type ErrorKind, PixelcnnError } from "../errors.ts";
import type { Serve } from "../threads/thread.ts";
import type { KernelName } from "./descriptions.ts";
import type { Plan } from "./plan.ts";
import { CanvasPool, drive, runTask, type Task, type TaskResult, type TaskRow } from "./tasks.ts";

export type ToWorker =
  | { readonly type: "plan"; readonly plan: Plan; readonly kernel: KernelName }
  | { readonly type: "task"; readonly task: Task }
  | { readonly type: "stop" };

export type FromWorker =
  | { readonly type: "row"; readonly row: TaskRow }
  | { readonly type: "result"; readonly result: TaskResult }
  | { readonly type: "error"; readonly kind: ErrorKind; readonly message: string };

export const serveTasks: Serve<ToWorker, FromWorker> = (post) => {
  let pool: CanvasPool | undefined;
  let stop = new AbortController();
  return async (message) => {
    if (message.type === "plan") pool = new CanvasPool(message.plan, message.kernel);
    else if (message.type === "stop") stop.abort();
    else {
      stop = new AbortController();
      try {
        const result = await drive(runTask(pool!, message.task), {
          signal: stop.signal,
          onRow: (row) => post({ type: "row", row }),
        });
        post({ type: "result", result }, result === null ? [] : [result.buffer as ArrayBuffer]);
      } catch (error) {
        const kind = error instanceof PixelcnnError ? error.kind : "internal";
        post({ type: "error", kind, message: error instanceof Error ? error.message : String(error) });
      }
    }
  };
};
