/** The studio's server reads what it was given and nothing else, answers its own page alone, and never falls over. */

import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSplits } from "../../src/data/open.ts";
import type { RunSummary } from "../../src/server/run-shelf.ts";
import { type ServedStudio, serveStudio } from "../../src/server/serve-studio.ts";

const folder = mkdtempSync(join(tmpdir(), "pixelcnn-studio-"));
const given = join(folder, "given");
const page = join(folder, "page");
const SECRET = "the secret of another folder";

/** A run's folder as `train` leaves it, without weights. */
function makeRun(path: string, lines: readonly object[] = [{ type: "step", step: 1, loss: 5, seconds: 1 }]): void {
  mkdirSync(join(path, "samples"), { recursive: true });
  const config = { model: { family: "gated-pixelcnn" }, data: { source: "somewhere/mnist" } };
  writeFileSync(join(path, "config.json"), JSON.stringify(config));
  writeFileSync(join(path, "log.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

let studio: ServedStudio;
beforeAll(async () => {
  mkdirSync(join(page, "assets"), { recursive: true });
  writeFileSync(join(page, "index.html"), "<p>the page</p>");
  writeFileSync(join(page, "elsewhere.json"), "{}");
  makeRun(join(given, "digits"));
  writeFileSync(join(given, "digits", "samples", "step-2.png"), "two");
  writeFileSync(join(given, "digits", "samples", "step-10.png"), "ten");
  writeFileSync(join(given, "digits", "model.safetensors"), "weights");
  writeFileSync(join(folder, "secret.txt"), SECRET);
  makeRun(join(folder, "outside"));
  studio = await serveStudio({ folders: [given], page });
});
afterAll(async () => {
  await studio.close();
  rmSync(folder, { recursive: true, force: true });
});

const ask = (path: string, init?: RequestInit): Promise<Response> => fetch(`${studio.url}${path}`, init);
const runs = async (): Promise<RunSummary[]> => (await ask("api/runs")).json() as Promise<RunSummary[]>;

/** Sends bytes as they are: fetch would tidy a path up. */
function raw(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(studio.url);
    const socket = connect(Number(port), hostname, () => socket.write(request));
    socket.setTimeout(2000, () => socket.destroy(new Error("no answer")));
    const parts: Buffer[] = [];
    socket.on("data", (part) => parts.push(part));
    socket.on("end", () => resolve(Buffer.concat(parts).toString("latin1")));
    socket.on("error", reject);
  });
}
const get = (path: string, ...headers: string[]): Promise<string> =>
  raw(
    [`GET ${path} HTTP/1.1`, `Host: ${new URL(studio.url).host}`, "Connection: close", ...headers, "", ""].join("\r\n"),
  );

test("lists the runs of the given folders, by an identity that is no path", async () => {
  const [run, ...others] = await runs();
  expect(others).toEqual([]);
  expect(run).toMatchObject({ name: "digits", family: "gated-pixelcnn", data: "mnist", weights: true });
  expect(run!.pictures).toEqual(["step-2.png", "step-10.png"]);
  expect(JSON.stringify(run)).not.toContain(folder);
  expect(run!.id).toMatch(/^[0-9a-f]{16}$/);
  expect(await (await ask(`api/runs/${run!.id}/pictures/1`)).text()).toBe("ten");
  expect(await (await ask(`api/runs/${run!.id}/model.safetensors`)).text()).toBe("weights");
});

test("gives the first images of a named set as IDX, and of no other name", async () => {
  const names = (await (await ask("api/sets")).json()) as string[];
  expect(names).toContain("mnist");
  const answer = await ask("api/sets/mnist");
  expect(answer.headers.get("x-images-in-all")).toBe("60000");
  const bytes = new Uint8Array(await answer.arrayBuffer());
  expect([...bytes.subarray(0, 16)]).toEqual([0, 0, 8, 3, 0, 0, 78, 32, 0, 0, 0, 28, 0, 0, 0, 28]);
  expect(bytes.length).toBe(16 + 20_000 * 784);
  const { train } = await openSplits("mnist");
  const { pixels } = await train.batch([0, 19_999]);
  expect([...bytes.subarray(16, 16 + 784)]).toEqual([...pixels.subarray(0, 784)]);
  expect([...bytes.subarray(-784)]).toEqual([...pixels.subarray(784)]);
  for (const name of ["nothing", "..", "%2e%2e%2f%2e%2e%2fetc", given, `${given}/digits`, "mnist%00"]) {
    const refused = await get(`/api/sets/${name}`);
    expect(refused).toMatch(/^HTTP\/1\.1 40[04] /);
    expect(refused).not.toContain(SECRET);
  }
  expect(await get("/api/sets/mnist", "Origin: http://elsewhere.example")).toMatch(/^HTTP\/1\.1 403 /);
});

test("says that a named set cannot be read, and no folder of the machine", async () => {
  mkdirSync(join(folder, "sets", "cifar10"), { recursive: true });
  const before = process.env.PIXELCNN_DATA;
  process.env.PIXELCNN_DATA = join(folder, "sets");
  try {
    expect(await (await ask("api/sets")).json()).toContain("cifar10");
    const answer = await ask("api/sets/cifar10");
    const said = 'cifar10 cannot be read; "pixelcnn train cifar10" says why';
    expect([answer.status, await answer.text()]).toEqual([500, said]);
  } finally {
    if (before === undefined) delete process.env.PIXELCNN_DATA;
    else process.env.PIXELCNN_DATA = before;
  }
});

test("gives a log's curves: whole lines alone, what was repeated once, and tests on more images apart", async () => {
  const path = join(given, "lines");
  const step = (n: number, loss: number) => ({
    type: "step",
    step: n,
    loss,
    unit: "nats",
    seconds: 60 * n,
    epoch: n / 2,
  });
  const test = (n: number, nats: number, images: number) => ({
    type: "evaluation",
    step: n,
    nats,
    seconds: 60 * n,
    images,
  });
  makeRun(path, [{ type: "start", images: 100 }, step(1, 9), step(2, 8), test(2, 8.5, 50), step(3, 7), step(2, 6)]);
  const { id } = (await runs()).find(({ name }) => name === "lines")!;
  const curve = async () => (await ask(`api/runs/${id}/curve`)).json();
  const steps = { step: [1, 2], images: [50, 100], minutes: [1, 2], value: [9, 6] };
  const tests = { step: [2], images: [100], minutes: [2], value: [8.5] };
  const none = { step: [], images: [], minutes: [], value: [] };
  expect(await curve()).toEqual({ steps, tests, onMore: none, unit: "nats", rate: null });
  appendFileSync(join(path, "log.jsonl"), `${JSON.stringify(test(4, 5, 200))}\n{"type":"step","st`);
  const onMore = { step: [4], images: [200], minutes: [4], value: [5] };
  expect(await curve()).toEqual({ steps, tests, onMore, unit: "nats", rate: null });
  // The run goes on: what was its last test stays on no line.
  appendFileSync(
    join(path, "log.jsonl"),
    `\n${[step(5, 5), test(5, 4.5, 50)].map((one) => JSON.stringify(one)).join("\n")}\n`,
  );
  const resumed = await curve();
  expect([resumed.tests.value, resumed.onMore]).toEqual([[8.5, 4.5], onMore]);
  writeFileSync(join(path, "log.jsonl"), `${JSON.stringify(step(9, 4))}\n`);
  expect((await curve()).steps.step).toEqual([9]);
  rmSync(path, { recursive: true });
  expect((await ask(`api/runs/${id}/curve`)).status).toBe(404);
});

test("thins the steps of a long log, and keeps its last and every test", async () => {
  const path = join(given, "long");
  const lines = Array.from({ length: 10_000 }, (_, i) => [
    { type: "step", step: i + 1, loss: 1, seconds: i, epoch: i },
    ...(i % 1000 === 7 ? [{ type: "evaluation", step: i + 1, nats: 2, seconds: i, images: 5 }] : []),
  ]).flat();
  makeRun(path, lines);
  const { id } = (await runs()).find(({ name }) => name === "long")!;
  const { steps, tests } = await (await ask(`api/runs/${id}/curve`)).json();
  expect([steps.step.length, steps.step[0], steps.step[1], steps.step.at(-1)]).toEqual([1001, 1, 11, 10_000]);
  expect(tests.step).toEqual([8, 1008, 2008, 3008, 4008, 5008, 6008, 7008, 8008, 9008]);
  rmSync(path, { recursive: true });
});

describe("nothing outside the given folders is read", () => {
  test.each([
    "/../secret.txt",
    "/../../secret.txt",
    "/assets/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/assets/..%5c..%5csecret.txt",
    "//etc/passwd",
    "/assets/%00",
    "/%",
    "/elsewhere.json",
    "/api/runs/../../secret.txt",
    "/api/runs/..%2f..%2fsecret.txt/config.json",
    "/api/runs/outside/config.json",
    "/api/runs/ID/state.safetensors",
    "/api/runs/ID/..%2f..%2f..%2fsecret.txt",
    "/api/runs/ID/pictures/..%2f..%2fconfig.json",
    "/api/runs/ID/pictures/-1",
    "/api/runs/ID/pictures/99",
    "/api/runs/ID/log.jsonl",
    "/api/runs/..%2foutside/curve",
    "/api/nothing",
  ])("%s", async (path) => {
    const [run] = await runs();
    const answer = await get(path.replace("ID", run!.id));
    expect(answer).toMatch(/^HTTP\/1.1 (400|404) /);
    expect(answer).not.toContain(SECRET);
    expect(answer).not.toContain(folder);
  });

  test("links are not followed: neither folders, nor files, nor pictures", async () => {
    symlinkSync(join(folder, "outside"), join(given, "link"));
    makeRun(join(given, "linked-files"));
    const inside = join(given, "linked-files");
    symlinkSync(join(folder, "secret.txt"), join(inside, "model.safetensors"));
    symlinkSync(join(folder, "secret.txt"), join(inside, "samples", "step-1.png"));
    makeRun(join(given, "linked-log"));
    rmSync(join(given, "linked-log", "log.jsonl"));
    symlinkSync(join(folder, "secret.txt"), join(given, "linked-log", "log.jsonl"));
    const found = await runs();
    expect(found.map(({ name }) => name).sort()).toEqual(["digits", "linked-files"]);
    const { id, weights, pictures } = found.find(({ name }) => name === "linked-files")!;
    expect({ weights, pictures }).toEqual({ weights: false, pictures: [] });
    expect((await ask(`api/runs/${id}/model.safetensors`)).status).toBe(404);
    for (const name of ["link", "linked-files", "linked-log"]) rmSync(join(given, name), { recursive: true });
  });
});

describe("a page from elsewhere does not get in", () => {
  const other = "expected a request from the studio's own page";
  test.each([
    ["a name that was made to lead here", ["Host: evil.example"]],
    ["no name", ["Host:"]],
    ["another origin", ["Origin: http://evil.example"]],
    ["a page without an origin", ["Origin: null"]],
    ["a cross-site request", ["Sec-Fetch-Site: cross-site"]],
  ])("%s", async (_, headers) => {
    const { host } = new URL(studio.url);
    const own = headers.some((header) => header.startsWith("Host")) ? [] : [`Host: ${host}`];
    const answer = await raw(["GET /api/runs HTTP/1.1", ...own, "Connection: close", ...headers, "", ""].join("\r\n"));
    expect(answer).toMatch(/^HTTP\/1.1 (400|403) /);
    if (answer.includes("403")) expect(answer).toContain(other);
    expect(answer).not.toContain("digits");
  });

  test("localhost and its own origin do", async () => {
    const { port } = new URL(studio.url);
    expect(await get("/api/runs", `Origin: ${studio.url.replace(/\/$/, "")}`, "Sec-Fetch-Site: same-origin")).toContain(
      "digits",
    );
    const lines = ["GET /api/runs HTTP/1.1", `Host: localhost:${port}`, "Connection: close", "", ""];
    expect(await raw(lines.join("\r\n"))).toContain("digits");
  });

  test("answers say what threads need, and that nobody may frame or read them", async () => {
    const { headers } = await ask("");
    expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
    expect(headers.get("cross-origin-embedder-policy")).toBe("require-corp");
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("requests that make no sense", () => {
  test.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])("%s is refused: the server only reads", async (method) => {
    const answer = await ask("api/runs", { method });
    expect([answer.status, await answer.text()]).toEqual([405, "expected GET: the studio's server only reads"]);
  });

  test("a body of 64 MiB is refused before it is read", async () => {
    const answer = await ask("api/runs", { method: "POST", body: new Uint8Array(2 ** 26) }).catch(() => null);
    if (answer) expect(answer.status).toBe(405);
    expect((await ask("api/runs")).status).toBe(200);
  });

  test.each([
    ["no HTTP", "hello\r\n\r\n"],
    [
      "a path of 100,000 letters",
      `GET /${"a".repeat(100_000)} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`,
    ],
    ["a header of 100,000 letters", `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${"a".repeat(100_000)}\r\n\r\n`],
    ["a half request", "GET / HT"],
    [
      "a text of 501 letters",
      `GET /api/embed?text=${"a".repeat(501)} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`,
    ],
  ])("%s leaves the server running", async (_, request) => {
    const answer = await raw(request).catch(() => "");
    if (answer) expect(answer).toMatch(/^HTTP\/1.1 4\d\d /);
    expect((await ask("api/runs")).status).toBe(200);
  });
});

/** Reads events until `until` says so. */
async function listen(until: (events: string) => boolean): Promise<string> {
  const stop = new AbortController();
  const response = await ask("api/events", { signal: stop.signal });
  const reader = response.body!.getReader();
  let text = "";
  try {
    while (!until(text)) {
      const { value, done } = await reader.read();
      if (done) break;
      text += new TextDecoder().decode(value);
    }
  } finally {
    stop.abort();
  }
  return text;
}

test("a hundred pages are told of a run that goes on, is begun, or is gone", async () => {
  const path = join(given, "live");
  makeRun(path);
  const { id } = (await runs()).find(({ name }) => name === "live")!;
  const pages = Array.from({ length: 100 }, () => listen((events) => events.includes(id)));
  await setTimeout(1500);
  writeFileSync(join(path, "log.jsonl"), '{"type":"step","step":1}\n{"type":"step","step":2}\n');
  for (const events of await Promise.all(pages)) expect(events).toContain(`data: ["${id}"]`);
  const gone = listen((events) => /data: \[\]/.test(events));
  await setTimeout(1500);
  rmSync(path, { recursive: true });
  expect(await gone).toContain("data: []");
  expect((await runs()).map(({ name }) => name)).toEqual(["digits"]);
});

test("a run that is half written is passed over until it is whole", async () => {
  const path = join(given, "half");
  mkdirSync(path);
  writeFileSync(join(path, "log.jsonl"), "");
  expect((await runs()).map(({ name }) => name)).toEqual(["digits"]);
  writeFileSync(join(path, "config.json"), '{"model": {"fam');
  expect((await runs()).map(({ name }) => name)).toEqual(["digits"]);
  makeRun(path);
  expect((await runs()).map(({ name }) => name).sort()).toEqual(["digits", "half"]);
  rmSync(path, { recursive: true });
});

test("500 runs are listed in less than two seconds", async () => {
  const many = join(given, "many");
  for (let i = 0; i < 500; i++) makeRun(join(many, `run-${i}`));
  const began = performance.now();
  expect(await runs()).toHaveLength(501);
  expect(performance.now() - began).toBeLessThan(2000);
  rmSync(many, { recursive: true });
});

test("a port that is taken, and a page that was not built, are told in one sentence", async () => {
  const port = Number(new URL(studio.url).port);
  await expect(serveStudio({ folders: [given], page, port })).rejects.toMatchObject({
    kind: "io",
    message: `cannot start the studio: port ${port} of 127.0.0.1 is taken: choose another with --port`,
  });
});
