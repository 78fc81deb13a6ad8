/**
 * A session whose calls run side by side, each on one thread of its own (Node worker threads). On the CPU this beats
 * threads inside each operator: no barrier at every operator, and one small batch's activations stay in a core's
 * cache (measured in bench/train-step). It also keeps the caller's thread free. Results are those of a plain session,
 * whatever the number of threads.
 */

import type { Worker } from "node:worker_threads";
import { fail, PixelcnnError } from "../errors.ts";
import { cores, inNode, nodeModule } from "../platform.ts";
import type { Tensor } from "../tensor.ts";
import {
  openSession,
  type Program,
  type RuntimeKind,
  type Session,
  type SessionOptions,
  switchTelemetryOff,
  type Tensors,
  tellRuntime,
} from "./session.ts";

/** What a worker sends back. */
export type Reply =
  | { readonly ready: RuntimeKind }
  | { readonly outputs: Record<string, Tensor> }
  | { readonly error: string; readonly kind: PixelcnnError["kind"] };

/**
 * Opens `threads` copies of a program (default: one per core). Arrays over a SharedArrayBuffer are shared with the
 * workers, others copied. On other devices, and outside Node, it is a plain session.
 */
export async function openPool(program: Program, options: SessionOptions = {}): Promise<Session> {
  const { device = "cpu" } = options;
  const threading = nodeModule<typeof import("node:worker_threads")>("node:worker_threads");
  // Spelled so that no bundler follows it. In a bundle of one file there is no worker beside this one.
  const [own, ending] = /[/\\]pool(\.[jt]s)$/.exec(import.meta.url) ?? [];
  if (own === undefined || !inNode || !threading || device !== "cpu" || options.profile !== undefined)
    return openSession(program, options);
  switchTelemetryOff();
  const threads = options.threads ?? cores();
  const file = new URL(`${import.meta.url.slice(0, -own.length)}/pool-worker${ending}`);
  let runtime: RuntimeKind = "native";
  const workers = await Promise.all(
    Array.from({ length: threads }, async () => {
      const worker = new threading.Worker(file, { workerData: program });
      const ready = await call(worker, null);
      if ("ready" in ready) runtime = ready.ready;
      return worker;
    }),
  );

  tellRuntime(runtime);

  const idle = [...workers];
  const waiting: { resolve: (worker: Worker) => void; reject: (error: PixelcnnError) => void }[] = [];
  // A worker that ends, by close() or by a crash, ends the pool: no call is left waiting for it.
  let ended: PixelcnnError | null = null;
  const end = (why: string): void => {
    ended ??= new PixelcnnError("internal", why);
    for (const { reject } of waiting.splice(0)) reject(ended);
  };
  for (const worker of workers) {
    worker.on("error", (cause) => end(`a worker thread failed: ${String(cause)}`));
    worker.on("exit", (code) => end(`a worker thread ended with code ${code}`));
  }
  const free = (): Promise<Worker> => new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  const give = (worker: Worker): void => {
    const next = ended ? undefined : waiting.shift();
    if (next) next.resolve(worker);
    else idle.push(worker);
  };
  return {
    device,
    runtime,
    lanes: threads,
    async run(inputs) {
      if (ended) throw ended;
      // A call that finds an idle worker is sent at once, and so before any later close().
      const worker = idle.pop() ?? (await free());
      try {
        const reply = await call(worker, inputs);
        return "outputs" in reply
          ? reply.outputs
          : fail("internal", "expected outputs from a worker but received none");
      } finally {
        give(worker);
      }
    },
    async close() {
      end(`expected an open pool for graph ${program.name} but it is closed`);
      // Each worker ends by itself once its call is done: ending a thread inside the runtime's native code can take the
      // process with it.
      const alive = workers.filter((worker) => worker.threadId !== -1);
      await Promise.all(
        alive.map((worker) => {
          const gone = new Promise((resolve) => worker.once("exit", resolve));
          worker.postMessage("close");
          return gone;
        }),
      );
    },
  };
}

/** Sends one message (or, with null, none) and waits for the reply. */
function call(worker: Worker, inputs: Tensors | null): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void): void => {
      worker.off("message", onMessage);
      worker.off("error", onError);
      worker.off("exit", onExit);
      settle();
    };
    const onMessage = (reply: Reply): void =>
      done(() => ("error" in reply ? reject(new PixelcnnError(reply.kind, reply.error)) : resolve(reply)));
    const onError = (cause: unknown): void =>
      done(() => reject(new PixelcnnError("internal", `a worker thread failed: ${String(cause)}`, { cause })));
    const onExit = (code: number): void =>
      done(() => reject(new PixelcnnError("internal", `a worker thread ended with code ${code} before it answered`)));
    worker.on("message", onMessage);
    worker.on("error", onError);
    worker.on("exit", onExit);
    try {
      if (inputs) worker.postMessage(inputs);
    } catch (cause) {
      done(() => reject(cause));
    }
  });
}
