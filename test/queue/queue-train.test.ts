/**
 * `train --queue` and `pixelcnn worker --train` on one machine with a Redis of their own: the weights of one process,
 * to the bit, however many workers there are and whoever is killed in between.
 */

import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { runCommand } from "../../src/cli/command-in-process.test-support.ts";
import { type Started, scratchFolder, start, TINY, tinyData } from "../../src/cli/command-line.test-support.ts";
import train from "../../src/cli/commands/train.ts";
import worker from "../../src/cli/commands/worker.ts";
import { patternFolder } from "../../src/cli/small-models.test-support.ts";
import { ownVersion } from "../../src/cli/version.ts";
import { leadTraining } from "../../src/queue/lead-training.ts";
import { serveTraining } from "../../src/queue/serve-training.ts";
import { openStore, readQueueAddress } from "../../src/queue/store.ts";
import { readTask, runKeys, runsKey } from "../../src/queue/training-order.ts";
import { loadState, readRunConfig } from "../../src/runs/run-folder.ts";
import { openTrainData } from "../../src/runs/train-data.ts";
import { freePort, hasRedis, startRedis, type TestRedis } from "./redis.test-support.ts";

const scratch = realpathSync(scratchFolder("queue-train"));
/** What the workers were started with. */
const shared = join(scratch, "shared");
const away = process.cwd();
let redis: TestRedis;
let started: Started[] = [];

beforeAll(async () => {
  if (!hasRedis) return;
  tinyData(join(shared, "data"));
  tinyData(join(scratch, "outside"));
  mkdirSync(join(scratch, "redis"));
  redis = await startRedis(join(scratch, "redis"));
  process.chdir(shared);
});
afterEach(async () => {
  for (const { child } of started) child.kill("SIGKILL");
  await Promise.all(started.map(({ finished }) => finished));
  started = [];
});
afterAll(async () => {
  process.chdir(away);
  await redis?.kill();
  rmSync(scratch, { recursive: true, force: true });
});

function begin(words: readonly string[]): Started {
  const process = start(words, { cwd: shared });
  started.push(process);
  return process;
}
/** A worker that is ready. */
async function helper(queue: string): Promise<Started> {
  const words = ["worker", "--train", "--queue", redis.url, "--folder", shared, "--name", queue, "--lease", "1"];
  const process = begin([...words, "--threads", "1"]);
  await process.stderrHas("waiting for shards");
  return process;
}
/** Four shards a step; a checkpoint every few steps. */
const wordsOf = (out: string, steps: number): string[] => [
  ...["data", "--out", out, "--steps", String(steps), "--eval-limit", "0", "--no-final-eval"],
  ...[...TINY, "--set", "train.shard=2", "--set", "train.checkpointMinutes=0.002"],
];
const byQueue = (name: string): string[] => ["--queue", redis.url, "--name", name];

async function stateOf(folder: string): Promise<object> {
  const state = await loadState(folder, await readRunConfig(folder));
  return { ...state, seconds: 0 };
}
const modelOf = (folder: string): Buffer => readFileSync(join(folder, "model.safetensors"));

/** The run of one process of so many steps. */
const ones = new Map<number, string>();
async function expectSame(folder: string, steps: number): Promise<void> {
  if (!ones.has(steps)) {
    ones.set(steps, `one-${steps}`);
    expect(await runCommand(train, ...wordsOf(`one-${steps}`, steps))).toMatchObject({ code: 0 });
  }
  const one = ones.get(steps)!;
  expect(await stateOf(folder)).toEqual(await stateOf(one));
  expect(modelOf(folder).equals(modelOf(one))).toBe(true);
}
/** Steps of some seconds. */
const LONG = 150;
/** Waits until the run in this folder has a checkpoint. */
async function hasCheckpoint(folder: string): Promise<void> {
  for (let tries = 0; tries < 400 && !existsSync(join(folder, "state.safetensors")); tries++) await pause(10);
}

describe.skipIf(!hasRedis)("training over a queue (skipped without redis-server: apt-get install redis-server)", () => {
  test.each([1, 2, 4])("with %i workers gives the weights of one process, to the bit", async (count) => {
    const name = `workers-${count}`;
    const helpers = await Promise.all(Array.from({ length: count }, () => helper(name)));
    const { code, messages, json } = await runCommand(train, ...wordsOf(name, 40), ...byQueue(name));
    expect({ code, messages }).toMatchObject({ code: 0, messages: expect.stringContaining("joined") });
    expect(json).toMatchObject({ step: 40 });
    await expectSame(name, 40);
    for (const { child } of helpers) child.kill("SIGTERM");
    const said = await Promise.all(helpers.map(async ({ finished }) => (await finished).stdout));
    const done = said.map((text) => Number(/^(\d+) shards? done, 0 failed/.exec(text)?.[1]));
    expect(done.reduce((a, b) => a + b)).toBe(4 * 40);
  });

  test.each(["class", "thumbnail:2x2"])("draws conditions as one process does: %s", async (condition) => {
    const name = condition.replace(/\W/g, "-");
    if (!existsSync("patterns")) patternFolder("patterns");
    await Promise.all([helper(name), helper(name)]);
    const settings = ["conditionDropout=0.3", "blind=0.3", "balance=true"].flatMap((s) => ["--set", `train.${s}`]);
    const words = [...wordsOf(name, 12).with(0, "patterns"), "--condition", condition, ...settings];
    expect(await runCommand(train, ...words, ...byQueue(name))).toMatchObject({ code: 0 });
    expect(await runCommand(train, ...words.with(2, `one-${name}`))).toMatchObject({ code: 0 });
    expect(await stateOf(name)).toEqual(await stateOf(`one-${name}`));
  });

  test("one worker serves two runs at once", async () => {
    await helper("both");
    const names = ["both-1", "both-2"];
    const all = names.map((name) => runCommand(train, ...wordsOf(name, 40), ...byQueue("both")));
    for (const { code } of await Promise.all(all)) expect(code).toBe(0);
    for (const name of names) await expectSame(name, 40);
  });

  test("goes on when a worker is killed, to the same bits", async () => {
    const [first] = [await helper("killed"), await helper("killed")];
    const leader = begin(["train", ...wordsOf("killed", LONG), ...byQueue("killed")]);
    await Promise.all([hasCheckpoint(join(shared, "killed")), first.stderrHas("joined run")]);
    first.child.kill("SIGKILL");
    expect(((await stateOf("killed")) as { step: number }).step).toBeLessThan(LONG);
    expect((await leader.finished).code).toBe(0);
    await expectSame("killed", LONG);
  });

  test("gives out again what a worker took and lost, and what nobody can add up", async () => {
    const leader = begin(["train", ...wordsOf("thief", 40), ...byQueue("thief")]);
    const until = async (...words: [string, ...string[]]): Promise<unknown> => {
      for (let tries = 0; tries < 400; tries++) {
        const got = await redis.ask(...words);
        if (got !== null && String(got) !== "") return got;
        await pause(20);
      }
      throw new Error(`nothing came of ${words.join(" ")}`);
    };
    const { said, tasks } = runKeys("thief", String(await until("SMEMBERS", runsKey("thief"))));
    const say = (head: object, body = ""): Promise<unknown> =>
      redis.ask("RPUSH", said, `${JSON.stringify({ worker: "thief", ...head })}\n${body}`);
    await say({ type: "joined", lanes: 1 });
    const taken = [0, 1, 2].map(async () => readTask(String(await until("LPOP", tasks)))!);
    const [first, , third] = await Promise.all(taken);
    // One with a worker that has no heartbeat, one that is lost before anybody says so, one with too few numbers.
    await say({ type: "taken", ...first });
    await say({ type: "sums", ...third, loss: 1 }, "four");
    await redis.ask("RPUSH", said, "of a stranger");
    await helper("thief");
    const { code, stderr } = await leader.finished;
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining("given out again") });
    expect(stderr).toContain("of step 1 failed: expected 778 numbers of worker thief but received 1");
    expect(stderr).toContain("worker thief is not heard of any more");
    await expectSame("thief", 40);
  });

  test("waits when every worker is killed, until another comes", async () => {
    const first = await helper("none");
    const leader = begin(["train", ...wordsOf("none", LONG), ...byQueue("none")]);
    await hasCheckpoint(join(shared, "none"));
    first.child.kill("SIGKILL");
    await leader.stderrHas("every worker is gone: waiting for others");
    await helper("none");
    expect((await leader.finished).code).toBe(0);
    await expectSame("none", LONG);
  });

  test("goes on with --resume when the leader is killed, to the same bits", async () => {
    await Promise.all([helper("leader"), helper("leader")]);
    const first = begin(["train", ...wordsOf("leader", LONG), ...byQueue("leader")]);
    await hasCheckpoint(join(shared, "leader"));
    first.child.kill("SIGKILL");
    await first.finished;
    const reached = (await stateOf("leader")) as { step: number };
    expect(reached.step).toBeLessThan(LONG);
    const how = ["--resume", "--out", "leader", "--eval-limit", "0", "--no-final-eval", "--threads", "1"];
    const { code, messages } = await runCommand(train, ...how, ...byQueue("leader"));
    expect({ code, messages }).toMatchObject({ code: 0, messages: expect.stringContaining("going on from step") });
    await expectSame("leader", LONG);
  });

  test("is stopped while nobody works: what was reached is saved", async () => {
    const only = await helper("stopped");
    const leader = begin(["train", ...wordsOf("stopped", LONG), ...byQueue("stopped")]);
    await hasCheckpoint(join(shared, "stopped"));
    only.child.kill("SIGKILL");
    await leader.stderrHas("every worker is gone");
    leader.child.kill("SIGTERM");
    expect(await leader.finished).toMatchObject({ stderr: expect.stringContaining("everything is saved in stopped") });
    await helper("stopped");
    const how = ["--resume", "--out", "stopped", "--eval-limit", "0", "--no-final-eval", "--threads", "1"];
    expect(await runCommand(train, ...how, ...byQueue("stopped"))).toMatchObject({ code: 0 });
    await expectSame("stopped", LONG);
  });

  test.each(["kept", "lost"])("goes on when the store is killed and what it held is %s", async (fate) => {
    const name = `store-${fate}`;
    await helper(name);
    const leader = begin(["train", ...wordsOf(name, LONG), ...byQueue(name)]);
    await hasCheckpoint(join(shared, name));
    await redis.kill();
    if (fate === "lost") rmSync(join(scratch, "redis", "appendonlydir"), { recursive: true });
    await leader.stderrHas("does not answer");
    await redis.start();
    const { code, stderr } = await leader.finished;
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining("answers again") });
    await expectSame(name, LONG);
  });

  test("leader and worker can be stopped while the store is away", async () => {
    const at = await helper("away");
    const leader = begin(["train", ...wordsOf("away", 10_000), ...byQueue("away")]);
    await hasCheckpoint(join(shared, "away"));
    await redis.kill();
    await Promise.all([leader, at].map(({ stderrHas }) => stderrHas("does not answer")));
    for (const { child } of [leader, at]) child.kill("SIGTERM");
    expect(await leader.finished).toMatchObject({ stderr: expect.stringContaining("everything is saved in away") });
    expect(await at.finished).toMatchObject({ code: 0, stdout: expect.stringContaining("0 failed") });
    await redis.start();
  });

  test("refuses a worker whose data are others, and writes nothing of the run", async () => {
    const leader = begin(["train", ...wordsOf("other-data", 5), ...byQueue("other-data")]);
    await leader.stderrHas("no worker is at the queue other-data: start `pixelcnn worker --train");
    const file = join(shared, "data", "train-images-idx3-ubyte");
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.with(500, 255 - bytes[500]!));
    const other = await helper("other-data");
    const { code, stderr } = await leader.finished;
    writeFileSync(file, bytes);
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no worker of the queue other-data can take part in this run:\n\S+: expected at /),
    });
    expect(stderr).toContain(
      `expected at ${join(shared, "data")} the images that the leader trains on but found others`,
    );
    await other.stderrHas("refused run");
    expect(existsSync(join(shared, "other-data", "config.json"))).toBe(false);
  });

  test("refuses a worker of another version, or whose folders do not hold the data", async () => {
    const store = await openStore(readQueueAddress(redis.url));
    const data = await openTrainData(join(shared, "data"), { binarise: "threshold" }, () => undefined);
    expect((await runCommand(train, ...wordsOf("places", 1))).code).toBe(0);
    const config = await readRunConfig("places");
    const version = ownVersion();
    for (const [theirs, source, reason] of [
      ["0.0.1", config.data.source, `this worker is pixelcnn ${version} but the run is of pixelcnn 0.0.1: start`],
      [version, join(scratch, "outside"), `a path below this worker's --folder but the job names "${scratch}/outside`],
    ] as const) {
      const stop = new AbortController();
      const rules = { name: "refused", signal: stop.signal, note: () => undefined };
      const folders = [shared];
      const serving = serveTraining(store, { ...rules, folders, version, lease: 1, threads: 1 });
      const run = { ...config, data: { ...config.data, source } };
      const led = { ...rules, version: theirs, config: run, folder: "places", data: data.train };
      await expect(leadTraining(store, 2, led)).rejects.toThrow(reason);
      stop.abort();
      expect(await serving).toEqual({ done: 0, failed: 0, handedBack: 0 });
    }
  });

  test("tells a wrong address, and words that do not go together, before anything is written", async () => {
    const port = await freePort();
    const refused = (...words: string[]) => runCommand(train, ...wordsOf("refused", 5), ...words);
    const { code, json } = await refused("--queue", `redis://127.0.0.1:${port}`);
    expect(code).toBe(1);
    expect(json.error.message).toContain(`no queue answers at 127.0.0.1:${port} (ECONNREFUSED): check --queue`);
    expect(existsSync(join(shared, "refused"))).toBe(false);
    for (const [words, reason] of [
      [["--name", "q"], "expected --queue redis://host:port with --name"],
      [["--queue", "127.0.0.1"], "expected --queue redis://host:port, or redis://host:port/db"],
      [[...byQueue("q"), "--device", "webgpu"], "expected the device cpu for steps in shards but received webgpu"],
      [[...byQueue("q"), "--set", "train.shard=3"], "expected a shard that divides the batch of 8 images"],
    ] as [string[], string][]) {
      const { code, json } = await refused(...words);
      expect({ code, message: json.error.message }).toMatchObject({
        code: 2,
        message: expect.stringContaining(reason),
      });
      expect(existsSync(join(shared, "refused", "config.json"))).toBe(false);
    }
    const both = await runCommand(worker, "--train", "--at-once", "2", "--queue", redis.url, "--folder", shared);
    expect(both.json.error.message).toContain("expected --threads with --train, a shard on each");
  });
});
