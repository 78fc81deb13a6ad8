/**
 * What does one Redis and one leader bear? A crowd of simulated workers takes the shards of one job; each waits for
 * --work milliseconds and writes an empty part. No network is computed.
 *   node bench/queue-crowd.ts [--workers 100] [--shards 5000] [--work 0]
 * Needs redis-server (apt-get install redis-server). Leader, store and crowd are a process each, so that each one's
 * processor time and memory are its own.
 */

import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { leadQueue } from "../src/queue/lead-queue.ts";
import type { ShardOrder } from "../src/queue/shard-order.ts";
import { openStore, readQueueAddress, type Store } from "../src/queue/store.ts";
import { writeOutput } from "../src/runs/output.ts";
import { type Job, writePart } from "../src/runs/part-file.ts";

const { values } = parseArgs({
  options: {
    workers: { type: "string", default: "100" },
    shards: { type: "string", default: "5000" },
    work: { type: "string", default: "0" },
    /** Of the crowd's own process. */
    crowd: { type: "string" },
  },
});
const [workers, shards, work] = [Number(values.workers), Number(values.shards), Number(values.work)];
const NAME = "crowd";

/** Works on every shard that it gets, until its parent goes away. */
async function crowd(url: string): Promise<void> {
  const { bull, options } = await openStore(readQueueAddress(url));
  const all = Array.from({ length: workers }, () => {
    const worker = new bull.Worker<ShardOrder>(
      NAME,
      async ({ data: { job, index, parts, part } }) => {
        if (work > 0) await pause(work);
        const bytes = writePart({ job: { ...job, about: {} }, index, result: {}, payload: new Uint8Array(0) });
        await writeOutput(join(parts, part), bytes);
      },
      options,
    );
    worker.on("error", () => undefined);
    return worker;
  });
  await Promise.all(all.map((worker) => worker.waitUntilReady()));
  process.send?.("ready");
  process.once("disconnect", () => process.exit(0));
}

/** Numbers of INFO by their names. */
async function infoOf({ bull, options }: Store): Promise<(name: string) => number> {
  const queue = new bull.Queue("info", options);
  const client = await queue.client;
  const text = await client.info();
  await queue.close();
  return (name) => Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(text)?.[1]);
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "pixelcnn-crowd-"));
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const { port } = free.address() as { port: number };
  free.close();
  const rules = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes", "--save", ""];
  const redis = spawn("redis-server", rules, { stdio: "ignore" });
  try {
    const url = `redis://127.0.0.1:${port}`;
    let store: Store | null = null;
    for (let tries = 0; store === null; tries++)
      store = await openStore(readQueueAddress(url)).catch(async (error) => {
        if (tries > 50) throw error;
        await pause(100);
        return null;
      });
    const child = fork(fileURLToPath(import.meta.url), [
      ...["--crowd", url, "--workers", String(workers), "--work", String(work)],
    ]);
    await once(child, "message");
    const job: Job = { command: "score", shards, model: {}, data: {}, options: {}, about: {} };
    const before = await infoOf(store);
    const cpu = process.cpuUsage();
    const started = performance.now();
    let most = 0;
    const files = await leadQueue(store, {
      ...{ name: NAME, job, parts: join(folder, "parts"), version: "crowd" },
      words: { options: {}, positionals: ["model", "images"] },
      signal: new AbortController().signal,
      note: (text) => console.error(text),
      onProgress: () => {
        most = Math.max(most, process.memoryUsage().rss);
      },
    });
    const seconds = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const after = await infoOf(store);
    const redisCpu = ["used_cpu_user", "used_cpu_sys"].reduce((sum, name) => sum + after(name) - before(name), 0);
    if (readdirSync(join(folder, "parts")).length !== shards || files.length !== shards)
      throw new Error(`expected ${shards} parts`);
    const share = (busy: number): string => `${((100 * busy) / seconds).toFixed(0)} % of a core`;
    console.log(`${workers} workers, ${shards} shards of ${work} ms: ${seconds.toFixed(1)} s`);
    console.log(`shards a second  ${(shards / seconds).toFixed(0)}`);
    console.log(`leader           ${share((user + system) / 1e6)}, ${(most / 2 ** 20).toFixed(0)} MiB`);
    console.log(`redis            ${share(redisCpu)}, ${(after("used_memory_peak") / 2 ** 20).toFixed(1)} MiB at most`);
    console.log(`bytes a shard    ${(after("used_memory") / shards).toFixed(0)} in Redis when all are done`);
    child.disconnect();
    await once(child, "exit");
  } finally {
    redis.kill();
    await once(redis, "exit");
    rmSync(folder, { recursive: true, force: true });
  }
}

if (values.crowd === undefined) await main();
else await crowd(values.crowd);
