/** Threads of Node. Apart from thread.ts, so that the types of a page need none of Node's. */

import { nodeModule } from "../platform.ts";
import { NotStarted, type Serve, type Thread } from "./thread.ts";

/** Node's worker_threads; undefined in browsers. */
export const nodeThreads = (): typeof import("node:worker_threads") | undefined => nodeModule("node:worker_threads");

/**
 * The URL of a thread's script beside a source file, which Node and the tests' pages run as it is; null in a compiled
 * package. A string that no bundler follows, unlike `new URL("./worker.ts", import.meta.url)`.
 */
export const sourceOf = (url: string, script: string): URL | null =>
  url.endsWith(".ts") ? new URL(script, url) : null;

/** A thread from one of Node's workers. */
export function nodeThread<To, From>(worker: import("node:worker_threads").Worker): Thread<To, From> {
  return {
    send: (message) => worker.postMessage(message),
    listen(onMessage, onBroken) {
      worker.on("message", onMessage);
      worker.on("error", (error: NodeJS.ErrnoException) => {
        const notFound = error.code === "MODULE_NOT_FOUND" || error.code === "ERR_MODULE_NOT_FOUND";
        onBroken(notFound ? new NotStarted(error.message.split("\n")[0], { cause: error }) : error);
      });
      worker.on("exit", (code) => onBroken(new Error(`it ended with code ${code}`)));
    },
    hold: (busy) => (busy ? worker.ref() : worker.unref()),
    end: async () => void (await worker.terminate()),
  };
}

/** The other side, in the thread's own script: answers messages, in Node and in browsers. */
export function answer<To, From>(serve: Serve<To, From>): void {
  const node = nodeThreads()?.parentPort;
  const port = (node ?? globalThis) as { postMessage(message: From, transfer?: readonly ArrayBuffer[]): void };
  const receive = serve((message, transfer) => port.postMessage(message, transfer));
  if (node) node.on("message", (message: To) => void receive(message));
  else globalThis.addEventListener("message", (event) => void receive((event as MessageEvent<To>).data));
}
