/**
 * Threads of the exact engine: worker_threads in Node, web workers in browsers. Each runs whole tasks on its own
 * kernel and memory, so the number of threads cannot change a bit (the protocol is in serve-tasks.ts). Where no
 * thread can start, the calling thread works.
 */

import { PixelcnnError } from "../errors.ts";
import { nodeThread, nodeThreads } from "../threads/node-thread.ts";
import { callingThread, NotStarted, type Thread, warnNotStarted, webThread } from "../threads/thread.ts";
import type { KernelName } from "./descriptions.ts";
import type { Plan } from "./plan.ts";
import { type FromWorker, serveTasks, type ToWorker } from "./serve-tasks.ts";
import { type DriveOptions, interrupted, type Task, type TaskResult } from "./tasks.ts";

export type EngineThread = Thread<ToWorker, FromWorker>;

/** Starts worker.ts (or, in a compiled package, worker.js). */
export function startThread(): EngineThread {
  // Not `new URL("./worker.ts", import.meta.url)`: bundlers would look for it in the compiled package.
  const source = import.meta.url.endsWith(".ts") ? import.meta.url.replace(/workers\.ts$/, "worker.ts") : null;
  const threads = nodeThreads();
  if (threads === undefined) {
    if (source !== null) return webThread(new Worker(source, { type: "module" }));
    return webThread(new Worker(new URL("./worker.js", import.meta.url), { type: "module" })); // bundlers look for exactly this
  }
  return nodeThread(new threads.Worker(source === null ? new URL("./worker.js", import.meta.url) : new URL(source)));
}

interface Job {
  readonly task: Task;
  readonly options: DriveOptions;
  readonly resolve: (result: TaskResult) => void;
  readonly reject: (error: unknown) => void;
}

/** A thread and what it works on. */
interface Seat {
  readonly thread: EngineThread;
  job: Job | undefined;
  /** What the job's own listener threw: the job ends with it. */
  failure: { readonly error: unknown } | undefined;
  readonly stop: () => void;
}

/** Some threads that run tasks in the order in which they are asked for. Threads start with their first task. */
export class ThreadPool {
  readonly #plan: Plan;
  readonly #kernel: KernelName;
  #size: number;
  #start: () => EngineThread;
  readonly #waiting: Job[] = [];
  readonly #seats = new Set<Seat>();

  constructor(plan: Plan, kernel: KernelName, size: number, start: () => EngineThread = startThread) {
    this.#plan = plan;
    this.#kernel = kernel;
    this.#size = size;
    this.#start = start;
  }

  run(task: Task, options: DriveOptions = {}): Promise<TaskResult> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ task, options, resolve, reject });
      this.#assign();
    });
  }

  /**
   * Ends all threads; what was asked for and has not come ends as interrupted. A later {@link run} starts threads
   * again.
   */
  async close(): Promise<void> {
    const seats = [...this.#seats];
    this.#seats.clear();
    const jobs = [...seats.flatMap(({ job }) => job ?? []), ...this.#waiting.splice(0)];
    for (const job of jobs) job.reject(new PixelcnnError("interrupted", "stopped: the engine was closed"));
    await Promise.all(seats.map(({ thread }) => thread.end()));
  }

  /** Gives waiting jobs to free threads. */
  #assign(): void {
    while (this.#waiting.length > 0) {
      const free =
        [...this.#seats].find((seat) => seat.job === undefined) ??
        (this.#seats.size < this.#size ? this.#open() : undefined);
      if (free === undefined) return;
      const job = this.#waiting.shift()!;
      const { signal } = job.options;
      if (signal?.aborted) {
        job.reject(interrupted(signal));
        continue;
      }
      free.job = job;
      free.failure = undefined;
      signal?.addEventListener("abort", free.stop, { once: true });
      free.thread.hold(true);
      free.thread.send({ type: "task", task: compact(job.task) });
    }
  }

  #open(): Seat {
    let thread: EngineThread;
    try {
      thread = this.#start();
    } catch (error) {
      this.#workHere(error instanceof NotStarted ? error : new NotStarted(String(error)));
      thread = this.#start();
    }
    const seat: Seat = { thread, job: undefined, failure: undefined, stop: () => thread.send({ type: "stop" }) };
    thread.listen(
      (message) => this.#receive(seat, message),
      (error) => {
        this.#seats.delete(seat); // a broken thread takes no more jobs
        if (error instanceof NotStarted) {
          this.#workHere(error);
          if (seat.job) this.#waiting.unshift(seat.job);
          this.#leave(seat);
          return;
        }
        const text = `expected a thread of the exact engine to run but it broke: ${error instanceof Error ? error.message : error}`;
        this.#leave(seat)?.reject(new PixelcnnError("internal", text, { cause: error }));
      },
    );
    thread.send({ type: "plan", plan: this.#plan, kernel: this.#kernel });
    this.#seats.add(seat);
    return seat;
  }

  /** No thread starts: from here on one stand-in does all jobs, in the calling thread. */
  #workHere(error: NotStarted): void {
    warnNotStarted(error, "pixelcnn/worker");
    this.#size = 1;
    this.#start = () => callingThread(serveTasks, { type: "stop" });
  }

  #receive(seat: Seat, message: FromWorker): void {
    if (message.type !== "row") {
      const { failure } = seat;
      const job = this.#leave(seat);
      if (job === undefined) return;
      const { signal } = job.options;
      if (failure !== undefined) job.reject(failure.error);
      else if (message.type === "result") job.resolve(message.result);
      else job.reject(signal?.aborted ? interrupted(signal) : new PixelcnnError(message.kind, message.message));
      return;
    }
    if (seat.failure !== undefined) return;
    try {
      seat.job?.options.onRow?.(message.row);
    } catch (error) {
      seat.failure = { error };
      seat.stop();
    }
  }

  /** Frees a thread of its job, which is returned, and gives it another. */
  #leave(seat: Seat): Job | undefined {
    const { job } = seat;
    seat.job = undefined;
    seat.thread.hold(false);
    job?.options.signal?.removeEventListener("abort", seat.stop);
    this.#assign();
    return job;
  }
}

/** A message takes along the whole buffer behind a view: so only views of their own. */
function compact(task: Task): Task {
  const own = <T extends Uint8Array | Float32Array>(view: T): T =>
    view.byteLength === view.buffer.byteLength ? view : (view.slice() as T);
  const conditions = task.conditions && own(task.conditions);
  if (task.kind !== "draw") return { ...task, conditions, pixels: own(task.pixels) };
  return { ...task, conditions, given: task.given && { pixels: own(task.given.pixels), mask: own(task.given.mask) } };
}
