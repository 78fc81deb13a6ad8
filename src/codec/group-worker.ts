/** One thread of the codec, in Node and in browsers: groups to bytes and back with an engine of its own. Messages in group-threads.ts. */

import { PixelcnnError } from "../errors.ts";
import { createEngine } from "../exact/engine.ts";
import type { ExactModel } from "../exact/plan.ts";
import { nodeThreads } from "../threads/node-thread.ts";
import { decodeGroup, encodeGroup } from "./group-coder.ts";
import type { FromGroupWorker, ToGroupWorker } from "./group-threads.ts";
import type { Predictor } from "./predictor.ts";

interface Port {
  postMessage(message: FromGroupWorker, transfer?: readonly ArrayBuffer[]): void;
}

const node = nodeThreads()?.parentPort;
const port: Port = (node ?? globalThis) as unknown as Port;
let predictor: Predictor | undefined;
let stop = new AbortController();

/** The model's identity is the caller's to check; here it is only a place to fill. */
function openPredictor(model: ExactModel): Predictor {
  const { channels, levels, conditionSize, forced, stepwise } = createEngine(model);
  return { channels, levels, conditionSize, forced, stepwise, digest: new Uint8Array(32) };
}

async function receive(message: ToGroupWorker): Promise<void> {
  if (message.type === "stop") return stop.abort();
  try {
    if (message.type === "model") {
      predictor = openPredictor(message.model);
      return;
    }
    stop = new AbortController();
    const { conditions } = message;
    const options = { conditions, signal: stop.signal, onRow: (rows: number) => port.postMessage({ type: "rows", rows }) };
    if (message.type === "encode") {
      const payload = await encodeGroup(predictor!, message.pixels, message.size, options);
      port.postMessage({ type: "encoded", payload }, [payload.payload.buffer as ArrayBuffer]);
    } else {
      const pixels = await decodeGroup(predictor!, message.group, options);
      port.postMessage({ type: "decoded", pixels }, [pixels.buffer as ArrayBuffer]);
    }
  } catch (error) {
    const kind = error instanceof PixelcnnError ? error.kind : "internal";
    port.postMessage({ type: "error", kind, message: error instanceof Error ? error.message : String(error) });
  }
}

if (node) node.on("message", (message: ToGroupWorker) => void receive(message));
else globalThis.addEventListener("message", (event) => void receive((event as MessageEvent<ToGroupWorker>).data));
