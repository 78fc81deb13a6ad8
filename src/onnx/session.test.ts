/** Sessions: what they check, and what they say about devices. */

import { expect, test } from "vitest";
import { PixelcnnError } from "../errors.ts";
import { tensor } from "../tensor.ts";
import { Graph } from "./graph.ts";
import { add, gather, mul } from "./ops.ts";
import { openPool } from "./pool.ts";
import { checkDevice, compile, openSession } from "./session.ts";

function program() {
  const graph = new Graph("sum");
  const [x, y] = [graph.input("x", "float32", [2, 3]), graph.input("y", "float32", [3])];
  graph.output("z", add(x, y));
  return compile(graph);
}
const x = tensor("float32", [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
const y = tensor("float32", [3], Float32Array.of(10, 20, 30));

test("a session takes tensors by name and gives tensors by name", async () => {
  const session = await openSession(program(), { threads: 1 });
  const { z, ...rest } = await session.run({ y, x });
  expect(rest).toEqual({});
  expect(z).toEqual(tensor("float32", [2, 3], Float32Array.of(11, 22, 33, 14, 25, 36)));
  await session.close();
});

test("a missing input, a wrong shape and a wrong type are named with what was expected and what came", async () => {
  const session = await openSession(program(), { threads: 1 });
  await expect(session.run({ x })).rejects.toThrow("expected a tensor for input y of graph sum but received none");
  await expect(session.run({ x: y, y })).rejects.toThrow(
    "expected float32[2,3] for input x of graph sum but received float32[3]",
  );
  const wide = tensor("float64", [3], new Float64Array(3));
  await expect(session.run({ x, y: wide })).rejects.toThrow(
    "expected float32[3] for input y of graph sum but received float64[3]",
  );
  await session.close();
});

test("results do not share memory with a later run", async () => {
  const session = await openSession(program(), { threads: 1 });
  const first = await session.run({ x, y });
  const copy = first.z!.data.slice();
  await session.run({ x: tensor("float32", [2, 3], new Float32Array(6)), y });
  expect(first.z!.data).toEqual(copy);
  await session.close();
});

test("an unknown device is wrong usage that lists the known ones", () => {
  expect(checkDevice("webgpu")).toBe("webgpu");
  expect(() => checkDevice("tpu")).toThrow(
    new PixelcnnError("usage", 'expected one of cpu, webgpu, cuda for the device but received "tpu"'),
  );
});

test("a device that is not here is an error of its kind that lists what is built in", async () => {
  const opened = openSession(program(), { device: "cuda" });
  const error = await opened.then(
    async (session) => {
      await session.close();
      return null;
    },
    (thrown: unknown) => thrown as PixelcnnError,
  );
  // On a machine with CUDA there is nothing to refuse.
  if (error === null) return;
  expect(error.kind).toBe("device");
  expect(error.message).toMatch(
    /^expected a working cuda device but the runtime could not start it \(.+\); built in here: cpu/s,
  );
});

test("bytes that are no graph are refused with the graph's name", async () => {
  const broken = { ...program(), bytes: Uint8Array.of(1, 2, 3) };
  await expect(openSession(broken)).rejects.toThrow("expected the runtime to accept graph sum but it said:");
});

test("a run that the runtime refuses says so, with the graph's name and the device", async () => {
  const graph = new Graph("picker");
  const at = graph.input("at", "int32", [1]);
  graph.output("row", gather(graph.constant("float32", [2], [5, 6]), at));
  const program = compile(graph);
  for (const session of [await openSession(program, { threads: 1 }), await openPool(program, { threads: 1 })]) {
    const outside = session.run({ at: tensor("int32", [1], Int32Array.of(7)) });
    await expect(outside).rejects.toThrow("expected graph picker to run on cpu but the runtime said:");
    await expect(outside).rejects.toMatchObject({ kind: "device" });
    // And the session is still good.
    const { row } = await session.run({ at: tensor("int32", [1], Int32Array.of(1)) });
    expect(row!.data[0]).toBe(6);
    await session.close();
  }
});

test("profiles are Chrome traces in the place that was asked for", async () => {
  const { mkdtempSync, readdirSync, readFileSync, rmSync } = await import("node:fs");
  const { join } = await import("node:path");
  const { tmpdir } = await import("node:os");
  const folder = mkdtempSync(join(tmpdir(), "pixelcnn-profile-"));
  const graph = new Graph("profiled");
  const a = graph.input("a", "float32", [4]);
  graph.output("b", mul(a, 2));
  const session = await openSession(compile(graph), { threads: 1, profile: join(folder, "trace") });
  await session.run({ a: tensor("float32", [4], new Float32Array(4)) });
  await session.close();
  const [file] = readdirSync(folder);
  expect(file).toMatch(/^trace_.*\.json$/);
  const events = JSON.parse(readFileSync(join(folder, file!), "utf8")) as { name: string }[];
  expect(events.some(({ name }) => name.includes("Mul"))).toBe(true);
  rmSync(folder, { recursive: true });
});
