/** The other side of pool.ts: opens the program on one thread, then answers each message of inputs with outputs. */

import { parentPort, workerData } from "node:worker_threads";
import { PixelcnnError } from "../errors.ts";
import type { Reply } from "./pool.ts";
import { openQuietly, type Program, type Tensors } from "./session.ts";

const port = parentPort!;
const reply = (message: Reply, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);
const failure = (error: unknown): Reply => ({
  error: error instanceof Error ? error.message : String(error),
  kind: error instanceof PixelcnnError ? error.kind : "internal",
});

try {
  const session = await openQuietly(workerData as Program, { threads: 1 });
  reply({ ready: session.runtime });
  let answered: Promise<void> = Promise.resolve();
  port.on("message", (inputs: Tensors | "close") => {
    if (inputs === "close") {
      answered.then(() => session.close()).finally(() => port.close());
      return;
    }
    answered = session.run(inputs).then(
      (outputs) =>
        reply(
          { outputs },
          Object.values(outputs).map((t) => t.data.buffer as ArrayBuffer),
        ),
      (error) => reply(failure(error)),
    );
  });
} catch (error) {
  reply(failure(error));
}
