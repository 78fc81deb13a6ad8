/**
 * Threads that code whole groups, since a decoder must stand beside the network that it asks. Each runs its own
 * engine of the same model, so no byte depends on their number (the protocol is in serve-groups.ts). Where no thread
 * can start, the calling thread works.
 */

import { checkInteger, PixelcnnError } from "../errors.ts";
import type { ExactModel } from "../exact/plan.ts";
import { nodeThread, nodeThreads } from "../threads/node-thread.ts";
import { callingThread, NotStarted, type Thread, warnNotStarted, webThread } from "../threads/thread.ts";
import type { GroupPayload, StreamOptions } from "./group-coder.ts";
import type { Condition, GroupSize, Predictor } from "./predictor.ts";
import {
  type DecodeJob,
  type EncodeJob,
  type FromGroupWorker,
  serveGroups,
  type ToGroupWorker,
} from "./serve-groups.ts";

type Payload = GroupSize & GroupPayload;

export type GroupThread = Thread<ToGroupWorker, FromGroupWorker>;

/** For the `threads` option of the codec. */
export interface GroupThreads {
  /** How many groups run at a time. */
  readonly count: number;
  /** The model's: the codec refuses threads of another model. */
  readonly digest: Uint8Array;
  encode(pixels: Uint8Array, size: GroupSize, options: StreamOptions): Promise<GroupPayload>;
  decode(group: Payload, options: StreamOptions): Promise<Uint8Array>;
  close(): Promise<void>;
}

interface Job {
  readonly message: EncodeJob | DecodeJob;
  readonly options: StreamOptions;
  readonly resolve: (result: FromGroupWorker) => void;
  readonly reject: (error: unknown) => void;
}

interface Seat {
  readonly thread: GroupThread;
  job: Job | undefined;
  readonly stop: () => void;
}

/** `count` threads; each starts with its first group. `predictor` is that of the same model. */
export function openGroupThreads(
  model: ExactModel,
  predictor: Pick<Predictor, "digest">,
  options: { readonly count: number; readonly startThread?: (() => GroupThread) | undefined },
): GroupThreads {
  const count = checkInteger("count", options.count, 1, 1024);
  let seatsAllowed = count;
  let start = options.startThread ?? startGroupThread;
  const seats = new Set<Seat>();
  const waiting: Job[] = [];

  const assign = (): void => {
    while (waiting.length > 0) {
      const free = [...seats].find(({ job }) => job === undefined) ?? (seats.size < seatsAllowed ? open() : undefined);
      if (free === undefined) return;
      const job = waiting.shift()!;
      const { signal } = job.options;
      if (signal?.aborted) {
        job.reject(new PixelcnnError("interrupted", "stopped on request", { cause: signal.reason }));
        continue;
      }
      free.job = job;
      signal?.addEventListener("abort", free.stop, { once: true });
      free.thread.hold(true);
      free.thread.send(job.message);
    }
  };

  const leave = (seat: Seat): Job | undefined => {
    const { job } = seat;
    seat.job = undefined;
    seat.thread.hold(false);
    job?.options.signal?.removeEventListener("abort", seat.stop);
    assign();
    return job;
  };

  /** No thread starts: from here on one stand-in does all jobs, in the calling thread. */
  const workHere = (error: NotStarted): void => {
    warnNotStarted(error, "pixelcnn/codec-worker");
    seatsAllowed = 1;
    start = () => callingThread(serveGroups, { type: "stop" });
  };

  const open = (): Seat => {
    let thread: GroupThread;
    try {
      thread = start();
    } catch (error) {
      workHere(error instanceof NotStarted ? error : new NotStarted(String(error)));
      thread = start();
    }
    const seat: Seat = { thread, job: undefined, stop: () => thread.send({ type: "stop" }) };
    thread.listen(
      (message) => {
        if (message.type === "rows") seat.job?.options.onRow?.(message.rows);
        else if (message.type === "error") leave(seat)?.reject(new PixelcnnError(message.kind, message.message));
        else leave(seat)?.resolve(message);
      },
      (error) => {
        seats.delete(seat); // a broken thread takes no more groups
        if (error instanceof NotStarted) {
          workHere(error);
          if (seat.job) waiting.unshift(seat.job);
          leave(seat);
          return;
        }
        const text = `expected a thread of the codec to run but it broke: ${error instanceof Error ? error.message : error}`;
        leave(seat)?.reject(new PixelcnnError("internal", text, { cause: error }));
      },
    );
    // No more of it than the thread needs: a model may come with functions of its owner, which no message takes along.
    thread.send({ type: "model", model: { config: model.config, parameters: model.parameters } });
    seats.add(seat);
    return seat;
  };

  const run = (message: EncodeJob | DecodeJob, jobOptions: StreamOptions): Promise<FromGroupWorker> =>
    new Promise((resolve, reject) => {
      waiting.push({ message, options: jobOptions, resolve, reject });
      assign();
    });

  return {
    count,
    digest: predictor.digest,
    async encode(pixels, { count, height, width }, jobOptions) {
      const size = { count, height, width };
      const conditions = ownConditions(jobOptions);
      const result = await run({ type: "encode", pixels: own(pixels), size, conditions }, jobOptions);
      return (result as Extract<FromGroupWorker, { type: "encoded" }>).payload;
    },
    async decode({ count, height, width, stored, streamLength, payload, pixelsCrc }, jobOptions) {
      const group = { count, height, width, stored, streamLength, payload: own(payload), pixelsCrc };
      const result = await run({ type: "decode", group, conditions: ownConditions(jobOptions) }, jobOptions);
      return (result as Extract<FromGroupWorker, { type: "decoded" }>).pixels;
    },
    async close() {
      const open = [...seats];
      seats.clear();
      const jobs = [...open.flatMap(({ job }) => job ?? []), ...waiting.splice(0)];
      for (const job of jobs) job.reject(new PixelcnnError("interrupted", "stopped: the threads were closed"));
      await Promise.all(open.map(({ thread }) => thread.end()));
    },
  };
}

/** A message takes along the whole buffer behind a view: so only a view of its own. */
function own<T extends Uint8Array | Float32Array>(view: T): T {
  return view.byteLength === view.buffer.byteLength ? view : (view.slice() as T);
}

function ownConditions({ conditions }: StreamOptions): readonly Condition[] | undefined {
  return conditions?.map((condition) => (typeof condition === "number" ? condition : own(condition)));
}

/** Starts group-worker.ts (or, in a compiled package, group-worker.js). */
function startGroupThread(): GroupThread {
  // As in exact/workers.ts: bundlers look for `new Worker(new URL("./group-worker.js", import.meta.url))`, and for
  // nothing else.
  const source = import.meta.url.endsWith(".ts")
    ? import.meta.url.replace(/group-threads\.ts$/, "group-worker.ts")
    : null;
  const threads = nodeThreads();
  if (threads === undefined) {
    if (source !== null) return webThread(new Worker(source, { type: "module" }));
    return webThread(new Worker(new URL("./group-worker.js", import.meta.url), { type: "module" }));
  }
  return nodeThread(
    new threads.Worker(source === null ? new URL("./group-worker.js", import.meta.url) : new URL(source)),
  );
}
