/**
 * What does training over the queue give, and what does the network take? Images a second of threads of this process,
 * of one worker of one thread and of two, in turn, in one run; directly, and through a link of a given rate
 * and delay between the workers and the store (all workers share it, as they share the network card of the machine that
 * the store and the leader are on). Every way must end in the same weights.
 *   node bench/queue-train.ts [--set mnist] [--preset mnist-binary] [--batch 16] [--shard N] [--steps 20] [--rounds 3]
 *     [--share 1]
 * `--share` below 1 holds each worker to so much of a core, by stopping it for the rest of every tenth of a second, and
 * compares 1, 2 and 4 workers: for a machine whose cores are not free, where more of anything cannot be faster. Wants
 * redis-server.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ownVersion } from "../src/cli/version.ts";
import { modelParameters } from "../src/models/families.ts";
import { countOf } from "../src/network/parameters.ts";
import { leadTraining } from "../src/queue/lead-training.ts";
import { openStore, readQueueAddress } from "../src/queue/store.ts";
import { completeDraft } from "../src/runs/complete-draft.ts";
import { PRESETS, type PresetName } from "../src/runs/presets.ts";
import { openTrainData } from "../src/runs/train-data.ts";
import { train } from "../src/train/loop.ts";
import { shardSize } from "../src/train/step.ts";
import type { OpenShards } from "../src/train/stepper.ts";
import { startRedis } from "../test/queue/redis.test-support.ts";

const { values } = parseArgs({
  options: {
    set: { type: "string", default: "mnist" },
    preset: { type: "string", default: "mnist-binary" },
    batch: { type: "string", default: "16" },
    shard: { type: "string" },
    steps: { type: "string", default: "20" },
    rounds: { type: "string", default: "3" },
    share: { type: "string", default: "1" },
  },
});
const [batch, steps, rounds] = [values.batch, values.steps, values.rounds].map(Number) as [number, number, number];
const coreShare = Number(values.share);
/** Milliseconds in which a worker has its share of a core. */
const PERIOD = 100;
/** Steps before the clock starts. */
const WARM = 3;
const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

/** A TCP link: one direction after another, chunks leave when the link is free and arrive `delay` later. */
interface Link {
  readonly port: number;
  /** Bytes that went to the workers, and back. */
  readonly bytes: { down: number; up: number };
  close(): void;
}

/** `rate`: bits a second; `delay`: milliseconds one way. */
async function openLink(to: number, rate: number, delay: number): Promise<Link> {
  const bytes = { down: 0, up: 0 };
  const sockets = new Set<Socket>();
  const direction = (name: "down" | "up"): ((chunk: Buffer, target: Socket) => void) => {
    const line: { at: number; chunk: Buffer; target: Socket }[] = [];
    let free = 0;
    const wait = (): void => void setTimeout(deliver, Math.max(0, line[0]!.at - performance.now()));
    const deliver = (): void => {
      while (line.length > 0 && line[0]!.at <= performance.now()) {
        const { chunk, target } = line.shift()!;
        if (!target.destroyed) target.write(chunk);
      }
      if (line.length > 0) wait();
    };
    return (chunk, target) => {
      bytes[name] += chunk.length;
      free = Math.max(performance.now(), free) + (8000 * chunk.length) / rate;
      line.push({ at: free + delay, chunk, target });
      if (line.length === 1) wait();
    };
  };
  const [down, up] = [direction("down"), direction("up")];
  const server = createServer((worker) => {
    const store = connect(to, "127.0.0.1");
    for (const [socket, other] of [
      [worker, store],
      [store, worker],
    ] as const) {
      sockets.add(socket.setNoDelay());
      socket.on("error", () => other.destroy()).on("close", () => other.destroy());
    }
    worker.on("data", (chunk) => up(chunk, store));
    store.on("data", (chunk) => down(chunk, worker));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { port: (server.address() as { port: number }).port, bytes, close };
}

interface Way {
  readonly name: string;
  /** 0: threads of this process. */
  readonly workers: number;
  readonly threads?: number;
  readonly rate?: number;
  readonly delay?: number;
}
const GIGABIT = { rate: 1e9, delay: 0.5 };
const SLOW = { rate: 1e8, delay: 0.5 };
const FREE: readonly Way[] = [
  { name: "one thread of this process", workers: 0 },
  { name: "1 worker", workers: 1 },
  { name: "2 workers", workers: 2 },
  // What two threads gain shows how much of two cores the machine has to give.
  { name: "two threads of this process", workers: 0, threads: 2 },
  { name: "1 worker, 1 Gbit/s and 1 ms", workers: 1, ...GIGABIT },
  { name: "2 workers, 1 Gbit/s and 1 ms", workers: 2, ...GIGABIT },
  { name: "1 worker, 100 Mbit/s and 1 ms", workers: 1, ...SLOW },
  { name: "2 workers, 100 Mbit/s and 1 ms", workers: 2, ...SLOW },
];
const WAYS: readonly Way[] =
  coreShare === 1 ? FREE : [1, 2, 4].map((workers) => ({ name: `${workers} of ${coreShare} core`, workers }));

const scratch = mkdtempSync(join(tmpdir(), "pixelcnn-queue-train-"));
const redis = await startRedis(scratch);
// Nothing of a training has to survive the store, and a log of all numbers would be written to the disk.
await redis.ask("CONFIG", "SET", "appendonly", "no");
const preset = PRESETS[values.preset as PresetName];
const { train: data, test } = await openTrainData(values.set, preset.data ?? {}, () => undefined);
await test.close?.();
const shard = values.shard === undefined ? {} : { shard: Number(values.shard) };
const config = completeDraft(
  {
    ...{ format: 1, data: { ...preset.data }, model: { ...preset.model }, condition: null },
    train: { ...preset.train, batch, ...shard, budget: { steps: WARM + steps }, checkpointMinutes: 1e6 },
  },
  values.set,
  data,
);

interface Figures {
  readonly imagesPerSecond: number;
  /** A step, to the workers and back; null without a link. */
  readonly down: number | null;
  readonly up: number | null;
  readonly weights: string;
  /** Milliseconds of the processor an image: of workers (or of this process alone), of the leader, of the store. */
  readonly work: { readonly shards: number; readonly leader: number; readonly store: number };
}

/** Seconds of the processor that a process has had, in Linux's ticks of 10 ms. */
function processorOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
async function processorOfStore(): Promise<number> {
  const said = String(await redis.ask("INFO", "cpu"));
  return ["sys", "user"].reduce((sum, kind) => sum + Number(new RegExp(`used_cpu_${kind}:(.*)`).exec(said)![1]), 0);
}

/** Holds processes to their share of a core, until it is told to stop. */
function heldBack(children: readonly ChildProcess[]): () => void {
  if (coreShare === 1) return () => undefined;
  // In turn, so that they do not meet at the same moments.
  const timers = children.map((child, i) =>
    setTimeout(
      () => {
        timers[i] = setInterval(() => {
          child.kill("SIGCONT");
          setTimeout(() => child.kill("SIGSTOP"), coreShare * PERIOD);
        }, PERIOD);
      },
      (i * PERIOD) / children.length,
    ),
  );
  return () => {
    for (const timer of timers) clearInterval(timer);
  };
}

let queues = 0;
async function measure({ workers, threads = 1, rate = Number.POSITIVE_INFINITY, delay = 0 }: Way): Promise<Figures> {
  const name = `bench-${++queues}`;
  const link = Number.isFinite(rate) ? await openLink(redis.port, rate, delay) : null;
  const url = `redis://127.0.0.1:${link?.port ?? redis.port}`;
  const words = ["worker", "--train", "--queue", url, "--name", name, "--folder", scratch, "--threads", "1"];
  const children = Array.from(
    { length: workers },
    (): ChildProcess => spawn(process.execPath, [main, ...words], { stdio: ["ignore", "ignore", "pipe"] }),
  );
  // All of them have joined before the first step.
  const joined = Promise.all(
    children.map(async ({ stderr }) => {
      for await (const text of stderr!.setEncoding("utf8")) if (String(text).includes("joined run")) return;
    }),
  );
  const store = await openStore(readQueueAddress(redis.url));
  const { signal } = new AbortController();
  const led = { name, version: ownVersion(), config, folder: scratch, data, signal, note: () => undefined };
  let release = (): void => undefined;
  const lead: OpenShards = async (size) => {
    const shards = await leadTraining(store, size, led);
    await joined;
    release = heldBack(children);
    return shards;
  };
  const spent = async () => ({
    leader: processorOf(process.pid),
    shards: children.reduce((sum, { pid }) => sum + processorOf(pid!), 0),
    store: await processorOfStore(),
  });
  let first = await spent();
  let began = 0;
  let before = { down: 0, up: 0 };
  let ended = 0;
  let weights = "";
  for await (const event of train({ config, data, threads, openShards: workers > 0 ? lead : undefined })) {
    if (event.type === "step" && event.step === WARM) {
      first = await spent();
      before = { ...(link?.bytes ?? before) };
      began = performance.now();
    }
    if (event.type === "step") ended = performance.now();
    if (event.type === "checkpoint") weights = createHash("sha256").update(event.state.weights).digest("hex");
  }
  const last = await spent();
  release();
  const an = (who: keyof typeof last): number => ((last[who] - first[who]) * 1000) / (steps * batch);
  const gone = children.map((child) => once(child, "exit"));
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(gone);
  link?.close();
  return {
    imagesPerSecond: (steps * batch * 1000) / (ended - began),
    down: link && (link.bytes.down - before.down) / steps,
    up: link && (link.bytes.up - before.up) / steps,
    weights,
    work:
      workers > 0
        ? { shards: an("shards"), leader: an("leader"), store: an("store") }
        : { shards: an("leader"), leader: 0, store: 0 },
  };
}

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
try {
  const all = new Map(WAYS.map((way) => [way, [] as Figures[]]));
  for (let round = 0; round < rounds; round++) for (const [way, figures] of all) figures.push(await measure(way));
  const digests = new Set([...all.values()].flat().map(({ weights }) => weights));
  if (digests.size !== 1) throw new Error(`expected the same weights of every way but found ${digests.size}`);
  const parameters = countOf(modelParameters(config.model));
  const size = config.train.shard ?? shardSize(batch, config.model);
  console.log(
    `${values.preset}: ${parameters} parameters, batch ${batch} in ${batch / size} shards of ${size}; median of ` +
      `${rounds} x ${steps} steps; all to the same weights, ${[...digests][0]!.slice(0, 16)}\n`,
  );
  // Ratios are of neighbours in time: a round's, not those of the medians.
  const first = all.get(WAYS[0]!)!;
  const single = all.get(WAYS.find(({ workers }) => workers === 1)!)!;
  console.log(
    "| | images/s | of the first | of 1 worker | processor, ms an image: shards, leader, store | MB a step down, up |",
  );
  console.log("| --- | --- | --- | --- | --- | --- |");
  for (const [{ name }, figures] of all) {
    const ratio = (to: readonly Figures[]): string =>
      median(figures.map(({ imagesPerSecond }, i) => imagesPerSecond / to[i]!.imagesPerSecond)).toFixed(2);
    const { down, up } = figures[0]!;
    const traffic = down === null ? "" : `${(down / 1e6).toFixed(2)}, ${(up! / 1e6).toFixed(2)}`;
    const pace = median(figures.map(({ imagesPerSecond }) => imagesPerSecond)).toFixed(0);
    const work = (["shards", "leader", "store"] as const).map((who) =>
      median(figures.map(({ work }) => work[who])).toFixed(2),
    );
    console.log(`| ${name} | ${pace} | ${ratio(first)}x | ${ratio(single)}x | ${work.join(", ")} | ${traffic} |`);
  }
} finally {
  await redis.kill();
  rmSync(scratch, { recursive: true, force: true });
}
