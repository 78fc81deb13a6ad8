/**
 * Random kills: of workers, of the leader, of the store, one after another while a job is under way. Whatever is hit and
 * when, the result is that of one process, and no shard is in it twice. PIXELCNN_SLOW=1 kills twenty times; otherwise
 * four times.
 */

import { mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Started, scratchFolder, start } from "../../src/cli/command-line.test-support.ts";
import { randomFrom } from "../../src/random.ts";
import { hasRedis, startRedis, type TestRedis } from "./redis.test-support.ts";

const KILLS = process.env.PIXELCNN_SLOW ? 20 : 4;
/** Shards outlast the kills: each is some seconds of work here. */
const SHARDS = KILLS + 8;
const WORKERS = 2;
const scratch = realpathSync(scratchFolder("kills"));
const running = new Set<Started>();
let redis: TestRedis;

function begin(...words: string[]): Started {
  const process = start(words, { cwd: scratch });
  running.add(process);
  return process;
}
async function end(process: Started, by: NodeJS.Signals): Promise<void> {
  process.child.kill(by);
  await process.finished;
  running.delete(process);
}

beforeAll(async () => {
  if (!hasRedis) return;
  mkdirSync(join(scratch, "redis"));
  redis = await startRedis(join(scratch, "redis"));
});
afterAll(async () => {
  await Promise.all([...running].map((process) => end(process, "SIGKILL")));
  await redis?.kill();
  rmSync(scratch, { recursive: true, force: true });
});

describe.skipIf(!hasRedis)("random kills (skipped without redis-server: apt-get install redis-server)", () => {
  test(
    `after ${KILLS} of them the table is that of one process`,
    async () => {
      const words = ["score", "mnist-binary", `mnist:test:0-${20 * SHARDS - 1}`];
      const queue = ["--queue", redis.url, "--shards", String(SHARDS), "--parts", "parts"];
      expect(await begin(...words, "--csv", "one.csv").finished).toMatchObject({ code: 0 });
      const startLeader = (): Started => begin(...words, ...queue, "--csv", "killed.csv");
      const startWorker = (): Started => begin("worker", "--queue", redis.url, "--folder", scratch, "--lease", "1");
      let leader = startLeader();
      const workers = Array.from({ length: WORKERS }, startWorker);
      const random = randomFrom(Number(process.env.PIXELCNN_SEED ?? 1));
      const killed = { worker: 0, leader: 0, store: 0 };
      for (let i = 0; i < KILLS; i++) {
        await pause(300 + random.below(1500));
        // Each kind at least once; then as it comes.
        const kind = (["worker", "leader", "store"] as const)[i < 3 ? i : random.below(3)]!;
        killed[kind]++;
        if (kind === "worker") {
          const at = random.below(WORKERS);
          await end(workers[at]!, "SIGKILL");
          workers[at] = startWorker();
        } else if (kind === "leader") {
          await end(leader, "SIGKILL");
          leader = startLeader();
        } else {
          await redis.kill();
          await pause(random.below(500));
          await redis.start();
        }
      }
      const { code, stderr } = await leader.finished;
      expect({ code, stderr, killed }).toMatchObject({ code: 0 });
      expect(readFileSync(join(scratch, "killed.csv"), "utf8")).toBe(readFileSync(join(scratch, "one.csv"), "utf8"));
      expect(readdirSync(join(scratch, "parts"))).toHaveLength(SHARDS);
      for (const worker of workers) await end(worker, "SIGTERM");
    },
    KILLS * 30_000,
  );
});
