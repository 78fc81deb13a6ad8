/** Threads of Node. Apart from thread.ts, so that the types of a page need none of Node's. */

import { nodeModule } from "../platform.ts";
import type { Thread } from "./thread.ts";

/** Node's worker_threads; undefined in browsers. */
export const nodeThreads = (): typeof import("node:worker_threads") | undefined => nodeModule("node:worker_threads");

/** A thread from one of Node's workers. */
export function nodeThread<To, From>(worker: import("node:worker_threads").Worker): Thread<To, From> {
  return {
    send: (message) => worker.postMessage(message),
    listen(onMessage, onBroken) {
      worker.on("message", onMessage);
      worker.on("error", onBroken);
    },
    hold: (busy) => (busy ? worker.ref() : worker.unref()),
    end: async () => void (await worker.terminate()),
  };
}
