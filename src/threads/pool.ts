/**
 * A pool of threads: tasks of the exact engine, groups of the codec, and shards of a session all run in one. Every
 * thread is set up once and then works on one job at a time, so results cannot depend on the number of threads. Where
 * no thread can start, the calling thread does the work.
 *
 * The protocol: "setup" once, then "work" (or "stop") in; "progress" now and then, and "result" or "error" out.
 */

import { type ErrorKind, interrupted, PixelcnnError } from "../errors.ts";
import { callingThread, NotStarted, type Serve, type Thread, warnNotStarted } from "./thread.ts";

export type ToThread<Setup, Work> =
  | { readonly type: "setup"; readonly setup: Setup }
  | { readonly type: "work"; readonly work: Work }
  | { readonly type: "stop" };

export type FromThread<Progress, Result> =
  | { readonly type: "progress"; readonly progress: Progress }
  | { readonly type: "result"; readonly result: Result }
  | { readonly type: "error"; readonly kind: ErrorKind; readonly message: string };

export type PoolThread<Setup, Work, Progress, Result> = Thread<ToThread<Setup, Work>, FromThread<Progress, Result>>;

/** How a job is watched and stopped. */
export interface Watch<Progress> {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

type Worker<Work, Progress, Result> = (work: Work, watch: Watch<Progress>) => Promise<Result>;

/**
 * The thread's side. `open` makes of the setup what does a job; `buffersOf` are the buffers that a result gives away.
 * An error of `open` is the answer to every job.
 */
export const serveWork =
  <Setup, Work, Progress, Result>(
    open: (setup: Setup) => Worker<Work, Progress, Result> | Promise<Worker<Work, Progress, Result>>,
    buffersOf: (result: Result) => readonly ArrayBuffer[],
  ): Serve<ToThread<Setup, Work>, FromThread<Progress, Result>> =>
  (post) => {
    let opened: Promise<Worker<Work, Progress, Result>> | undefined;
    let stop = new AbortController();
    return async (message) => {
      if (message.type === "setup") {
        opened = (async () => open(message.setup))();
        opened.catch(() => undefined);
      } else if (message.type === "stop") stop.abort();
      else if (message.type === "work") {
        stop = new AbortController();
        const { signal } = stop;
        try {
          const run = await opened!;
          const result = await run(message.work, {
            signal,
            onProgress: (progress) => post({ type: "progress", progress }),
          });
          post({ type: "result", result }, buffersOf(result));
        } catch (error) {
          const kind = error instanceof PixelcnnError ? error.kind : "internal";
          post({ type: "error", kind, message: error instanceof Error ? error.message : String(error) });
        }
      }
    };
  };

export interface PoolSettings<Setup, Work, Progress, Result> {
  /** Most threads. Each starts with its first job. */
  readonly size: number;
  readonly setup: Setup;
  readonly start: () => PoolThread<Setup, Work, Progress, Result>;
  /** Does the work where no thread starts. */
  readonly standIn?: {
    readonly serve: Serve<ToThread<Setup, Work>, FromThread<Progress, Result>>;
    /** The door of the package that holds the thread's script. */
    readonly worker: string;
  };
  /** Whose threads they are, in a sentence. */
  readonly of: string;
  /** What ends jobs that have not come when the pool is closed. */
  readonly closed: () => PixelcnnError;
  /** Whether a thread at work is left to finish at {@link ThreadPool.close}, and only waiting jobs end. */
  readonly finishes?: boolean;
}

interface Job<Work, Progress, Result> {
  readonly work: Work;
  readonly watch: Watch<Progress>;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** A thread and what it works on. */
interface Seat<Setup, Work, Progress, Result> {
  readonly thread: PoolThread<Setup, Work, Progress, Result>;
  job: Job<Work, Progress, Result> | undefined;
  /** What the job's own listener threw: the job ends with it. */
  failure: { readonly error: unknown } | undefined;
  readonly stop: () => void;
}

/** Threads that take jobs in the order in which they are asked for. */
export class ThreadPool<Setup, Work, Progress, Result> {
  readonly #settings: PoolSettings<Setup, Work, Progress, Result>;
  readonly #waiting: Job<Work, Progress, Result>[] = [];
  readonly #seats = new Set<Seat<Setup, Work, Progress, Result>>();
  #size: number;
  #start: () => PoolThread<Setup, Work, Progress, Result>;

  constructor(settings: PoolSettings<Setup, Work, Progress, Result>) {
    this.#settings = settings;
    this.#size = settings.size;
    this.#start = settings.start;
  }

  run(work: Work, watch: Watch<Progress> = {}): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ work, watch, resolve, reject });
      this.#assign();
    });
  }

  /** Ends all threads and the jobs that have not come. A later {@link run} starts threads again. */
  async close(): Promise<void> {
    const { closed, finishes } = this.#settings;
    const seats = [...this.#seats];
    this.#seats.clear();
    for (const job of this.#waiting.splice(0)) job.reject(closed());
    await Promise.all(
      seats.map(async (seat) => {
        if (finishes) await this.#finished(seat);
        seat.job?.reject(closed());
        seat.job = undefined;
        await seat.thread.end();
      }),
    );
  }

  /** Resolves when a thread has no job. */
  async #finished(seat: Seat<Setup, Work, Progress, Result>): Promise<void> {
    const { job } = seat;
    if (!job) return;
    await new Promise<void>((done) => {
      const then =
        <T>(settle: (value: T) => void) =>
        (value: T): void => {
          settle(value);
          done();
        };
      seat.job = { ...job, resolve: then(job.resolve), reject: then(job.reject) };
    });
  }

  /** Gives waiting jobs to free threads. */
  #assign(): void {
    while (this.#waiting.length > 0) {
      const { signal } = this.#waiting[0]!.watch;
      if (signal?.aborted) {
        this.#waiting.shift()!.reject(interrupted(signal));
        continue;
      }
      let seat = [...this.#seats].find(({ job }) => job === undefined);
      if (!seat && this.#seats.size >= this.#size) return;
      const job = this.#waiting.shift()!;
      try {
        seat ??= this.#open();
        seat.job = job;
        seat.failure = undefined;
        signal?.addEventListener("abort", seat.stop, { once: true });
        seat.thread.hold(true);
        seat.thread.send({ type: "work", work: job.work });
      } catch (error) {
        // What no message can carry.
        if (seat) this.#leave(seat);
        job.reject(error);
      }
    }
  }

  #open(): Seat<Setup, Work, Progress, Result> {
    let thread: PoolThread<Setup, Work, Progress, Result>;
    try {
      thread = this.#start();
    } catch (error) {
      this.#workHere(error instanceof NotStarted ? error : new NotStarted(String(error), { cause: error }));
      thread = this.#start();
    }
    const seat: Seat<Setup, Work, Progress, Result> = {
      thread,
      job: undefined,
      failure: undefined,
      stop: () => thread.send({ type: "stop" }),
    };
    thread.listen(
      (message) => this.#receive(seat, message),
      (error) => this.#broken(seat, error),
    );
    thread.send({ type: "setup", setup: this.#settings.setup });
    this.#seats.add(seat);
    return seat;
  }

  /** No thread starts: from here on one stand-in does all jobs, in the calling thread. */
  #workHere(error: NotStarted): void {
    const { standIn } = this.#settings;
    if (!standIn) throw error;
    warnNotStarted(error, standIn.worker);
    this.#size = 1;
    this.#start = () => callingThread(standIn.serve, { type: "stop" });
  }

  #broken(seat: Seat<Setup, Work, Progress, Result>, error: unknown): void {
    // A broken thread takes no more jobs. It may say so twice, and once more when it was ended.
    if (!this.#seats.delete(seat) && !seat.job) return;
    if (error instanceof NotStarted && this.#settings.standIn) {
      this.#workHere(error);
      if (seat.job) this.#waiting.unshift(seat.job);
      this.#leave(seat);
      return;
    }
    const text =
      `expected a thread of ${this.#settings.of} to run but it broke: ` +
      `${error instanceof Error ? error.message : error}`;
    this.#leave(seat)?.reject(new PixelcnnError("internal", text, { cause: error }));
  }

  #receive(seat: Seat<Setup, Work, Progress, Result>, message: FromThread<Progress, Result>): void {
    if (message.type === "progress") {
      if (seat.failure !== undefined) return;
      try {
        seat.job?.watch.onProgress?.(message.progress);
      } catch (error) {
        seat.failure = { error };
        seat.stop();
      }
      return;
    }
    const { failure } = seat;
    const job = this.#leave(seat);
    if (job === undefined) return;
    const { signal } = job.watch;
    if (failure !== undefined) job.reject(failure.error);
    else if (message.type === "result") job.resolve(message.result);
    else job.reject(signal?.aborted ? interrupted(signal) : new PixelcnnError(message.kind, message.message));
  }

  /** Frees a thread of its job, which is returned, and gives it another. */
  #leave(seat: Seat<Setup, Work, Progress, Result>): Job<Work, Progress, Result> | undefined {
    const { job } = seat;
    seat.job = undefined;
    seat.thread.hold(false);
    job?.watch.signal?.removeEventListener("abort", seat.stop);
    this.#assign();
    return job;
  }
}

/** A message takes along the whole buffer behind a view: so only views of their own. */
export function own<T extends Uint8Array | Float32Array>(view: T): T {
  return view.byteLength === view.buffer.byteLength ? view : (view.slice() as T);
}
