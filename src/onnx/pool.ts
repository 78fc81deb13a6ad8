/**
 * A session whose calls run side by side, each on one thread of its own (Node worker threads). On the CPU this beats
 * threads inside each operator: no barrier at every operator, and one small batch's activations stay in a core's
 * cache (measured in bench/train-step). It also keeps the caller's thread free. Results are those of a plain session,
 * whatever the number of threads.
 */

import { PixelcnnError } from "../errors.ts";
import { cores, inNode } from "../platform.ts";
import { nodeThread, nodeThreads } from "../threads/node-thread.ts";
import { type PoolThread, ThreadPool } from "../threads/pool.ts";
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

/** One call, or the question whether the program opens and which build of the runtime runs it. */
export type SessionJob = { readonly inputs: Tensors } | "open";
export type SessionAnswer = Tensors | RuntimeKind;

/**
 * Opens `threads` copies of a program (default: one per core). Arrays over a SharedArrayBuffer are shared with the
 * workers, others copied. On other devices, and outside Node, it is a plain session.
 */
export async function openPool(program: Program, options: SessionOptions = {}): Promise<Session> {
  const { device = "cpu" } = options;
  const node = nodeThreads();
  // Spelled so that no bundler follows it. In a bundle of one file there is no worker beside this one.
  const [own, ending] = /[/\\]pool(\.[jt]s)$/.exec(import.meta.url) ?? [];
  if (own === undefined || !inNode || !node || device !== "cpu" || options.profile !== undefined)
    return openSession(program, options);
  switchTelemetryOff();
  const threads = options.threads ?? cores();
  const file = new URL(`${import.meta.url.slice(0, -own.length)}/pool-worker${ending}`);

  /** A thread ends by itself: to end one inside the runtime's native code can take the process with it. */
  const start = (): PoolThread<Program, SessionJob, never, SessionAnswer> => {
    const worker = new node.Worker(file);
    const end = async (): Promise<void> => {
      if (worker.threadId === -1) return;
      const gone = new Promise<void>((resolve) => void worker.once("exit", () => resolve()));
      worker.ref();
      worker.postMessage("close");
      await gone;
    };
    return { ...nodeThread(worker), end };
  };
  const closed = (): PixelcnnError =>
    new PixelcnnError("internal", `expected an open pool for graph ${program.name} but it is closed`);
  const pool = new ThreadPool<Program, SessionJob, never, SessionAnswer>({
    size: threads,
    setup: program,
    start,
    of: `the pool for graph ${program.name}`,
    closed,
    finishes: true,
  });
  let isOpen = true;
  const close = async (): Promise<void> => {
    isOpen = false;
    await pool.close();
  };
  let runtime: RuntimeKind;
  try {
    const kinds = await Promise.all(Array.from({ length: threads }, () => pool.run("open")));
    runtime = kinds[0] as RuntimeKind;
  } catch (error) {
    await close();
    throw error;
  }
  tellRuntime(runtime);
  return {
    device,
    runtime,
    lanes: threads,
    close,
    async run(inputs) {
      if (!isOpen) throw closed();
      return (await pool.run({ inputs })) as Tensors;
    },
  };
}
