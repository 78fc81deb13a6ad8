/**
 * One thread of the exact engine, in Node (worker_threads) and in browsers. It is sent a plan once and then tasks, one at a time;
 * the messages are listed in workers.ts.
 */

import { PixelcnnError } from "../errors.ts";
import { nodeThreads } from "../threads/node-thread.ts";
import { CanvasPool, drive, runTask } from "./tasks.ts";
import type { FromWorker, ToWorker } from "./workers.ts";

interface Port {
  postMessage(message: FromWorker, transfer?: readonly ArrayBuffer[]): void;
}

const node = nodeThreads()?.parentPort;
const port: Port = (node ?? globalThis) as unknown as Port;
let pool: CanvasPool | undefined;
let stop = new AbortController();

async function receive(message: ToWorker): Promise<void> {
  if (message.type === "plan") pool = new CanvasPool(message.plan, message.kernel);
  else if (message.type === "stop") stop.abort();
  else {
    stop = new AbortController();
    try {
      const result = await drive(runTask(pool!, message.task), {
        signal: stop.signal,
        onRow: (row) => port.postMessage({ type: "row", row }),
      });
      port.postMessage({ type: "result", result }, result === null ? [] : [result.buffer as ArrayBuffer]);
    } catch (error) {
      const kind = error instanceof PixelcnnError ? error.kind : "internal";
      port.postMessage({ type: "error", kind, message: error instanceof Error ? error.message : String(error) });
    }
  }
}

if (node) node.on("message", (message: ToWorker) => void receive(message));
else globalThis.addEventListener("message", (event) => void receive((event as MessageEvent<ToWorker>).data));
