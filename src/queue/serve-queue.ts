/**
 * A worker: takes shards from the queue and works on each in a process of its own, the command line with --shard. So
 * the worker itself is always free to renew its locks, and a shard that dies takes nobody with it.
 */

import { spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { basename } from "node:path";
import { fail, PixelcnnError, parseJson } from "../errors.ts";
import { differences, type Job, readPart } from "../runs/part-file.ts";
import { printable, reasonOf } from "../words.ts";
import { checkPlaces } from "./allowed-places.ts";
import { checkOrder, type ShardAnswer, type ShardOrder, wordsOf } from "./shard-order.ts";
import { PASSWORD, type Store, watchStore } from "./store.ts";

export interface WorkerRules {
  /** The queue's name. */
  readonly name: string;
  /** What may be read and written. */
  readonly folders: readonly string[];
  readonly version: string;
  /** The program and its first words that run `pixelcnn`. */
  readonly program: readonly string[];
  /** Shards at a time. */
  readonly atOnce: number;
  /** Seconds after which the shards of a worker that is not heard of are given to others. */
  readonly lease: number;
  readonly threads: number | undefined;
  readonly signal: AbortSignal;
  readonly note: (text: string) => void;
}

export interface Served {
  done: number;
  failed: number;
  handedBack: number;
}

/** Times that a shard may take its worker down before it counts as the reason. */
export const MOST_STALLED = 2;
/** Milliseconds that a process may take to end, and a store to take shards back. */
const GRACE = 3000;
const CLOSING = 10_000;
/** Characters that are kept of what a process says. */
const KEPT = 1 << 16;

/** Works until it is told to stop; then what is in hand goes back to the queue. */
export async function serveQueue(store: Store, rules: WorkerRules): Promise<Served> {
  const { bull, options, address } = store;
  const { signal, note, lease } = rules;
  const folders = rules.folders.map((folder) => {
    try {
      return realpathSync(folder);
    } catch (error) {
      return fail("io", `cannot read ${folder}: ${reasonOf(error)}`, error);
    }
  });
  const served: Served = { done: 0, failed: 0, handedBack: 0 };
  const worker = new bull.Worker<ShardOrder, ShardAnswer>(
    rules.name,
    async (job, token) => {
      watch.answers();
      const tries = `try ${job.attemptsMade + 1}`;
      try {
        const order = checkOrder(job.data);
        const what = `shard ${order.index}/${order.of} of \`pixelcnn ${order.command}\``;
        note(`${what}, ${tries}`);
        if (order.version !== rules.version)
          throw new Error(
            `this worker is pixelcnn ${rules.version} but the job is of pixelcnn ${order.version}: start workers of ` +
              "the leader's version",
          );
        await checkPlaces(order, folders);
        const answer = await work(order, rules);
        served.done++;
        note(`${what}: done in ${answer.seconds.toFixed(1)} s`);
        return answer;
      } catch (error) {
        if (signal.aborted) {
          await job.moveToWait(token);
          served.handedBack++;
          throw new bull.WaitingError();
        }
        served.failed++;
        note(`shard failed, ${tries}: ${printable(reasonOf(error))}`);
        // What was refused once is refused again.
        throw error instanceof PixelcnnError ? new bull.UnrecoverableError(error.message) : error;
      }
    },
    {
      ...options,
      concurrency: rules.atOnce,
      lockDuration: lease * 1000,
      stalledInterval: lease * 500,
      maxStalledCount: MOST_STALLED,
    },
  );
  const watch = watchStore(worker, address, note);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  // Without the store nothing can be handed back: then the lease runs out.
  const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSING).unref());
  await Promise.race([worker.close().catch(() => undefined), late]);
  return served;
}

/** Runs one shard as a process and holds its part against the order. */
async function work(order: ShardOrder, { program, threads, signal }: WorkerRules): Promise<ShardAnswer> {
  const [command, ...first] = program;
  const { [PASSWORD]: _, ...env } = process.env;
  const child = spawn(command!, [...first, ...wordsOf(order, threads)], {
    cwd: order.cwd,
    env,
    // By its channel the process notices when this one is killed, and ends too.
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    stdout = (stdout + text).slice(-KEPT);
  });
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-KEPT);
  });
  const stop = (): void => {
    child.kill("SIGTERM");
    setTimeout(() => child.kill("SIGKILL"), GRACE).unref();
  };
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  const ended = await new Promise<{ code: number | null; by: string | null }>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, by) => resolve({ code, by }));
  }).finally(() => signal.removeEventListener("abort", stop));
  const said = parseJson(stdout, () => null) as {
    error?: { message: string };
    part: string;
    images: number;
    seconds: number;
  } | null;
  if (said?.error) throw new Error(said.error.message);
  if (ended.code !== 0 || !said) {
    const how = ended.by === null ? `ended with code ${ended.code}` : `was killed by ${ended.by}`;
    throw new Error(`its process ${how}: ${stderr.trim().split("\n").at(-1) || "it said nothing"}`);
  }
  if (basename(said.part) !== order.part) {
    const { about: _about, ...found } = (await readPart(said.part)).job;
    const differ = differences(order.job as Job, found as Job);
    throw new Error(
      `the worker found another job than the leader: they differ in ${differ.join(", ") || "what the result says"}`,
    );
  }
  return { images: said.images, seconds: said.seconds };
}
