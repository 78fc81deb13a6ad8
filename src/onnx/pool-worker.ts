/** A thread of pool.ts: opens the program once, then answers inputs with outputs. */

import { parentPort } from "node:worker_threads";
import { answer } from "../threads/node-thread.ts";
import { serveWork } from "../threads/pool.ts";
import type { SessionAnswer, SessionJob } from "./pool.ts";
import { openQuietly, type Program, type Session } from "./session.ts";

let session: Session | undefined;
answer(
  serveWork<Program, SessionJob, never, SessionAnswer>(
    async (program) => {
      const opened = await openQuietly(program, { threads: 1 });
      session = opened;
      return async (job) => (job === "open" ? opened.runtime : opened.run(job.inputs));
    },
    (result) => (typeof result === "string" ? [] : Object.values(result).map((t) => t.data.buffer as ArrayBuffer)),
  ),
);
parentPort!.on("message", async (message) => {
  if (message !== "close") return;
  await session?.close();
  parentPort!.close();
});
