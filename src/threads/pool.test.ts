/** The pool by itself: order, errors, threads that break, listeners that throw, both ways of closing. */

import { Worker } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import { PixelcnnError } from "../errors.ts";
import { nodeThread } from "./node-thread.ts";
import { type PoolSettings, serveWork, ThreadPool } from "./pool.ts";
import { callingThread } from "./thread.ts";

/** Doubles numbers; a negative one is an error, and 0 waits until it is stopped. */
const serve = serveWork<number, number, string, number>(
  (factor) =>
    async (work, { signal, onProgress }) => {
      onProgress?.(`at ${work}`);
      if (work < 0) throw new PixelcnnError("data", `expected no ${work}`);
      if (work === 0)
        await new Promise((_, reject) => signal!.addEventListener("abort", () => reject(new Error("stopped"))));
      await new Promise((resolve) => setTimeout(resolve, 5));
      return factor * work;
    },
  () => [],
);

/** The same in a thread of Node that can die: of 99 without a word, of 98 by an error. */
const SCRIPT = `
const { parentPort } = require("node:worker_threads");
let factor;
parentPort.on("message", ({ type, setup, work }) => {
  if (type === "setup") factor = setup;
  else if (type === "close") parentPort.close();
  else if (work === 99) process.exit(7);
  else if (work === 98) throw new Error("the thread's own words");
  else setTimeout(() => parentPort.postMessage({ type: "result", result: factor * work }), 20);
});`;

type Settings = PoolSettings<number, number, string, number>;
const pools: ThreadPool<number, number, string, number>[] = [];
function poolOf(changes: Partial<Settings> = {}): ThreadPool<number, number, string, number> {
  const pool = new ThreadPool<number, number, string, number>({
    size: 2,
    setup: 2,
    start: () => callingThread(serve, { type: "stop" }),
    of: "a test",
    closed: () => new PixelcnnError("interrupted", "stopped: closed"),
    ...changes,
  });
  pools.push(pool);
  return pool;
}
const inNode: Settings["start"] = () => nodeThread(new Worker(SCRIPT, { eval: true }));
afterEach(async () => void (await Promise.all(pools.splice(0).map((pool) => pool.close()))));

test("each job gets its own answer, and an error its kind and words", async () => {
  const pool = poolOf();
  const all = await Promise.allSettled([1, 2, -3, 4, 5].map((work) => pool.run(work)));
  expect(all.map((one) => (one.status === "fulfilled" ? one.value : one.reason.message))).toEqual([
    ...[2, 4, "expected no -3", 8, 10],
  ]);
  await expect(pool.run(-1)).rejects.toMatchObject({ name: "PixelcnnError", kind: "data" });
});

test("a job is stopped by its own signal, before it runs or while it does; the others go on", async () => {
  const pool = poolOf({ size: 1 });
  const [running, waiting] = [new AbortController(), new AbortController()];
  const first = pool.run(0, { signal: running.signal, onProgress: () => running.abort() });
  const second = pool.run(1, { signal: waiting.signal });
  waiting.abort();
  const third = pool.run(3);
  const stopped = { kind: "interrupted", message: "stopped on request" };
  await expect(first).rejects.toMatchObject(stopped);
  await expect(second).rejects.toMatchObject(stopped);
  await expect(third).resolves.toBe(6);
});

test("a listener that throws ends its job with its error, and no other", async () => {
  const pool = poolOf({ size: 1 });
  const job = pool.run(0, {
    onProgress: () => {
      throw new Error("the listener's own");
    },
  });
  const next = pool.run(4);
  await expect(job).rejects.toThrow("the listener's own");
  await expect(next).resolves.toBe(8);
});

test("a setup that fails is the answer to every job", async () => {
  const broken = serveWork<number, number, string, number>(
    () => {
      throw new PixelcnnError("model", "expected a model");
    },
    () => [],
  );
  const pool = poolOf({ start: () => callingThread(broken, { type: "stop" }) });
  for (const work of [1, 2]) await expect(pool.run(work)).rejects.toMatchObject({ kind: "model" });
});

test.each([
  [99, "expected a thread of a test to run but it broke: it ended with code 7"],
  [98, "expected a thread of a test to run but it broke: the thread's own words"],
])("a thread that dies of %i fails its own job, and another takes its place", async (work, message) => {
  const pool = poolOf({ start: inNode, size: 1 });
  const all = [pool.run(1), pool.run(work), pool.run(3)];
  await expect(all[0]).resolves.toBe(2);
  await expect(all[1]).rejects.toMatchObject({ kind: "internal", message });
  await expect(all[2]).resolves.toBe(6);
});

test("closing ends what has not come; or lets a thread finish, and ends what waits", async () => {
  for (const finishes of [false, true]) {
    const pool = poolOf({ start: inNode, size: 1, finishes });
    await expect(pool.run(1)).resolves.toBe(2);
    const running = pool.run(2).catch((error: Error) => error.message);
    const waiting = pool.run(3).catch((error: Error) => error.message);
    await pool.close();
    expect([await running, await waiting]).toEqual([finishes ? 4 : "stopped: closed", "stopped: closed"]);
    await expect(pool.run(5)).resolves.toBe(10); // threads start again
  }
});

test("a thread that dies while a close waits for it fails its job, and the close ends", async () => {
  const pool = poolOf({ start: inNode, size: 1, finishes: true });
  const dying = pool.run(99);
  const failed = expect(dying).rejects.toThrow("it ended with code 7");
  await pool.close();
  await failed;
});

test("work that no message can carry is refused, and the thread takes the next", async () => {
  const pool = poolOf({ start: inNode, size: 1 });
  await expect(pool.run((() => 0) as unknown as number)).rejects.toThrow("could not be cloned");
  await expect(pool.run(6)).resolves.toBe(12);
});
