/**
 * `--queue` and `pixelcnn worker` on one machine with a Redis of their own: the bytes of one process, whoever is killed
 * in between. Workers and their shards are processes; leaders too where they are killed.
 */

import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Queue } from "bullmq";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { runCommand } from "../../src/cli/command-in-process.test-support.ts";
import { type Started, scratchFolder, start } from "../../src/cli/command-line.test-support.ts";
import compress from "../../src/cli/commands/compress.ts";
import evaluate from "../../src/cli/commands/eval.ts";
import sample from "../../src/cli/commands/sample.ts";
import score from "../../src/cli/commands/score.ts";
import type { Command } from "../../src/cli/run-command.ts";
import { modelAt, NETWORK, patternFolder } from "../../src/cli/small-models.test-support.ts";
import { ownVersion } from "../../src/cli/version.ts";
import { freePort, hasRedis, startRedis, type TestRedis } from "./redis.test-support.ts";

const scratch = realpathSync(scratchFolder("queue"));
/** What the workers were started with. */
const shared = join(scratch, "shared");
const away = process.cwd();
let redis: TestRedis;
let started: Started[] = [];

beforeAll(async () => {
  if (!hasRedis) return;
  mkdirSync(shared);
  mkdirSync(join(scratch, "redis"));
  modelAt(join(shared, "binary"), NETWORK, { data: { source: "mnist", binarise: "threshold" } });
  patternFolder(join(shared, "patterns"), 4);
  patternFolder(join(scratch, "outside"), 1);
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

const COMMANDS: Readonly<Record<string, Command>> = { compress, eval: evaluate, sample, score };
interface Ended {
  readonly code: number;
  /** Messages and the error. */
  readonly said: string;
  readonly json: object;
}
async function run(name: string, ...words: string[]): Promise<Ended> {
  const { code, messages, json } = await runCommand(COMMANDS[name]!, ...words);
  return { code, json, said: `${messages}${json.error?.message ?? ""}` };
}
function begin(words: readonly string[], env: Record<string, string> = {}): Started {
  const process = start(words, { cwd: shared, env });
  started.push(process);
  return process;
}
/** A worker that is ready. */
async function worker(queue: string, env: Record<string, string> = {}): Promise<Started> {
  const words = ["worker", "--queue", redis.url, "--folder", shared, "--name", queue, "--lease", "1"];
  const process = begin(words, env);
  await process.stderrHas("waiting for shards");
  return process;
}
const byQueue = (name: string, shards: number): string[] => [
  ...["--queue", redis.url, "--name", name, "--shards", String(shards), "--parts", `parts-${name}`],
];
const same = (a: string, b: string): boolean => readFileSync(join(shared, a)).equals(readFileSync(join(shared, b)));
const expectDone = ({ code, said }: Ended): void => expect({ code, said }).toMatchObject({ code: 0 });

/** Some seconds of work on digits, by a model that ships: its words, and its table from one process. */
const LONG: [string, ...string[]] = ["score", "mnist", "mnist:test:0-119"];
const longTable = (() => {
  let done: Promise<Ended> | undefined;
  return async (): Promise<string> => {
    done ??= run(...LONG, "--csv", "one-long.csv");
    expectDone(await done);
    return "one-long.csv";
  };
})();

describe.skipIf(!hasRedis)("a queue (skipped without redis-server: apt-get install redis-server)", () => {
  test.each([1, 2, 4])("of %i workers gives the bytes of one process", async (count) => {
    const name = `workers-${count}`;
    await Promise.all(Array.from({ length: count }, () => worker(name)));
    const jobs: [[string, ...string[]], string, string, number][] = [
      [["score", "binary", "patterns"], "--csv", "all.csv", 4],
      [["compress", "binary", "patterns", "--group", "3"], "-o", "all.pxc", 2],
    ];
    for (const [words, option, file, shards] of jobs) {
      if (!existsSync(`one-${file}`)) expectDone(await run(...words, option, `one-${file}`));
      const done = await run(...words, ...byQueue(name, shards), option, `${count}-${file}`);
      expectDone(done);
      expect(done.said).toContain(`${count} worker`);
      expect(same(`${count}-${file}`, `one-${file}`), file).toBe(true);
    }
    expect(readdirSync(join(shared, `parts-${name}`))).toHaveLength(6);
  });

  test("samples and evaluates as one process does", async () => {
    await worker("others");
    const draw = ["-n", "5", "--seed", "3"];
    expectDone(await run("sample", "binary", ...draw, "-o", "one.png"));
    expectDone(await run("sample", "binary", ...draw, ...byQueue("others", 2), "-o", "two.png"));
    expect(same("two.png", "one.png")).toBe(true);
    const how = ["binary", "patterns", "--split", "all", "--batch", "4", "--threads", "1"];
    const [one, two] = [await run("eval", ...how), await run("eval", ...how, ...byQueue("others", 2))];
    const answer = ({ json }: Ended): object => ({ ...json, seconds: 0 });
    expect(answer(one)).toHaveProperty("bitsPerDim");
    expect(answer(two)).toEqual(answer(one));
  });

  test("goes on when a worker is killed, whose process ends too", async () => {
    const first = await worker("killed");
    const leader = run(...LONG, ...byQueue("killed", 3), "--csv", "killed.csv");
    await first.stderrHas("shard 2/3 of `pixelcnn score`, try 1");
    await pause(200);
    const children = execFileSync("ps", ["-o", "pid=", "--ppid", String(first.child.pid)], { encoding: "utf8" });
    const pids = children.split("\n").filter(Boolean).map(Number);
    expect(pids).toHaveLength(1);
    first.child.kill("SIGKILL");
    await worker("killed");
    expectDone(await leader);
    expect(same("killed.csv", await longTable())).toBe(true);
    expect(() => process.kill(pids[0]!, 0)).toThrow("ESRCH");
  });

  test("gets back what a worker has in hand that is told to stop", async () => {
    const first = await worker("stopped");
    const leader = run(...LONG, ...byQueue("stopped", 2), "--csv", "stopped.csv");
    await first.stderrHas("shard 1/2 of `pixelcnn score`, try 1");
    await pause(200);
    first.child.kill("SIGTERM");
    expect(await first.finished).toMatchObject({ code: 0, stdout: expect.stringContaining("1 handed back") });
    const second = await worker("stopped");
    await second.stderrHas("shard 1/2 of `pixelcnn score`, try 1");
    expectDone(await leader);
    expect(same("stopped.csv", await longTable())).toBe(true);
  });

  test("goes on when the leader is killed and started again", async () => {
    const at = await worker("leader");
    const words: [string, ...string[]] = [...LONG, ...byQueue("leader", 3), "--csv", "leader.csv"];
    const first = begin(words);
    await at.stderrHas("shard 1/3 of `pixelcnn score`: done");
    first.child.kill("SIGKILL");
    await first.finished;
    expect(readdirSync(shared)).not.toContain("leader.csv");
    const second = await run(...words);
    expectDone(second);
    expect(second.said).toMatch(/[1-3] parts? of 3 there already/);
    expect(same("leader.csv", await longTable())).toBe(true);
    // Of jobs that are done, parts that are damaged or gone are made again, and nothing else is.
    const [damaged, lost] = readdirSync("parts-leader").map((file) => join("parts-leader", file));
    writeFileSync(damaged!, readFileSync(damaged!).subarray(0, 100));
    rmSync(lost!);
    expectDone(await run(...words, "--force"));
    expect(same("leader.csv", await longTable())).toBe(true);
    at.child.kill("SIGTERM");
    expect((await at.finished).stdout).toContain("5 shards done, 0 failed");
  });

  test("goes on when the store is killed and started again", async () => {
    const at = await worker("store");
    const leader = run(...LONG, ...byQueue("store", 3), "--csv", "store.csv");
    await at.stderrHas("shard 2/3 of `pixelcnn score`, try 1");
    await redis.kill();
    await at.stderrHas("does not answer");
    await pause(500);
    await redis.start();
    expectDone(await leader);
    expect((await leader).said).toMatch(/does not answer[\s\S]*answers again/);
    expect(same("store.csv", await longTable())).toBe(true);
  });

  test("names a shard that fails every time, and writes nothing", async () => {
    const poison = join(scratch, "poison.mjs");
    writeFileSync(poison, 'if (process.argv.includes("--shard=2/3")) process.kill(process.pid, "SIGKILL");\n');
    await worker("poison", { NODE_OPTIONS: `--import=${poison}` });
    const words = ["binary", "patterns", ...byQueue("poison", 3), "--csv", "poison.csv"];
    const { code, said } = await run("score", ...words);
    expect(code).toBe(1);
    expect(said).toContain("1 of 3 shards failed and nothing was written");
    expect(said).toMatch(/shard 2\/3 after 3 attempts: its process was killed by SIGKILL/);
    expect(readdirSync(shared)).not.toContain("poison.csv");
    expect(readdirSync(join(shared, "parts-poison"))).toHaveLength(2);
    // Once its reason is gone, the same command takes it up.
    await worker("poison-2");
    expectDone(await run("score", ...words.map((word) => (word === "poison" ? "poison-2" : word))));
    expectDone(await run("score", "binary", "patterns", "--csv", "no-poison.csv"));
    expect(same("poison.csv", "no-poison.csv")).toBe(true);
  });

  test("refuses what lies outside of a worker's folders", async () => {
    const at = await worker("outside");
    symlinkSync("../outside", join(shared, "link"));
    for (const images of [join(scratch, "outside"), "../outside", "link", "patterns/../../outside"]) {
      const { code, said } = await run("score", "binary", images, ...byQueue("outside", 1), "--csv", "outside.csv");
      expect(code).toBe(1);
      const named = JSON.stringify(images);
      expect(said).toContain(`expected a path below this worker's --folder but the job names ${named}`);
    }
    expect(readdirSync(shared)).not.toContain("outside.csv");
    expect(at.child.exitCode).toBe(null);
  });

  test("holds jobs of other versions and of strangers against its rules", async () => {
    await worker("strange");
    const queue = new Queue("strange", { prefix: "pixelcnn", connection: { port: redis.port } });
    const order = {
      ...{ version: "0.0.1", command: "score", options: {}, positionals: ["binary", "patterns"], cwd: shared },
      ...{ parts: join(shared, "parts-strange"), index: 1, of: 1, part: "x.part", job: {} },
    };
    const version = ownVersion();
    mkdirSync("nested");
    symlinkSync("../../outside", "nested/deep");
    modelAt("pointing", NETWORK, { data: { source: join(scratch, "outside") } });
    for (const [change, reason] of [
      [{ version }, "the worker found another job than the leader: they differ in command"],
      [{ version, positionals: ["binary", "nested"] }, 'the job names "nested/deep"'],
      [{ version, command: "eval", positionals: ["pointing"] }, `the job names "${join(scratch, "outside")}"`],
      [{}, `this worker is pixelcnn ${version} but the job is of pixelcnn 0.0.1`],
      [{ version, options: { out: ["x.png"] } }, "the job has --out"],
      [{ version, command: "train" }, "its command is another thing"],
      [{ version, parts: "/var/parts" }, 'the job names "/var/parts"'],
      [{ version, positionals: ["http://127.0.0.1/model", "patterns"] }, 'names "http://127.0.0.1/model"'],
      [{ version, options: { like: ["/etc/hosts"] } }, 'the job names "/etc/hosts"'],
    ] as const) {
      const job = await queue.add("score", { ...order, ...change });
      for (let tries = 0; tries < 200 && !(await job.isFailed()); tries++) await pause(50);
      expect((await queue.getJob(job.id!))?.failedReason).toContain(reason);
    }
    await queue.close();
  });

  test("tells a full store before anything is written", async () => {
    await redis.ask("CONFIG", "SET", "maxmemory", "1");
    const { code, said } = await run("score", "binary", "patterns", ...byQueue("full", 2), "--csv", "full.csv");
    await redis.ask("CONFIG", "SET", "maxmemory", "0");
    expect({ code, said }).toMatchObject({ code: 1, said: expect.stringMatching(/is full \(.*OOM.*maxmemory/) });
    expect(readdirSync(shared)).not.toContain("full.csv");
  });

  test("refuses words that do not go with a queue", async () => {
    for (const [words, reason] of [
      [["--shards", "2"], "expected --queue redis://host:port with --shards"],
      [[...byQueue("words", 2), "--shard", "1/2"], "expected --shard or --queue but received both"],
      [[...byQueue("words", 2), "--heatmap", "x.png"], "expected no --heatmap with --shard or --queue"],
      [[...byQueue("a:b", 2)], "expected letters, digits, dots and dashes for --name"],
    ] as [string[], string][])
      expect(await run("score", "binary", "patterns", ...words)).toMatchObject({
        code: 2,
        said: expect.stringContaining(reason),
      });
  });

  test("tells which packages are missing", async () => {
    const hook = join(scratch, "missing.mjs");
    const refuse = `(name, context, next) => { if (name === "bullmq") throw new Error("no bullmq"); return next(name); }`;
    writeFileSync(hook, `import { registerHooks } from "node:module";\nregisterHooks({ resolve: ${refuse} });\n`);
    const words = ["worker", "--queue", redis.url, "--folder", "."];
    const { code, stderr } = await begin(words, { NODE_OPTIONS: `--import=${hook}` }).finished;
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining("npm install bullmq ioredis") });
  });

  test("tells a wrong address and a refused password", async () => {
    const port = await freePort();
    const at = (url: string): Promise<Ended> => run("score", "binary", "patterns", "--queue", url);
    expect(await at(`redis://127.0.0.1:${port}`)).toMatchObject({
      code: 1,
      said: expect.stringContaining(`no queue answers at 127.0.0.1:${port} (ECONNREFUSED)`),
    });
    expect((await at("127.0.0.1:6379")).code).toBe(2);
    mkdirSync(join(scratch, "locked"));
    const locked = await startRedis(join(scratch, "locked"), { password: "secret" });
    try {
      expect((await at(locked.url)).said).toMatch(/refused the password \(NOAUTH/);
      const wrong = `redis://:wrong@127.0.0.1:${locked.port}`;
      const { code, stderr } = await begin(["worker", "--folder", ".", "--queue", wrong]).finished;
      expect(code).toBe(1);
      expect(stderr).toMatch(/refused the password \(WRONGPASS/);
      expect(stderr).not.toContain("wrong@");
      const words = ["worker", "--folder", ".", "--queue", locked.url];
      await begin(words, { PIXELCNN_QUEUE_PASSWORD: "secret" }).stderrHas("waiting for shards");
    } finally {
      await locked.kill();
    }
  });
});
