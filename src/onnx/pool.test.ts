/** The pool of threads: a session like any other, for any number of threads and calls at once. */

import { expect, test } from "vitest";
import { type Tensor, tensor } from "../tensor.ts";
import { Graph } from "./graph.ts";
import { gemm, logSoftmax, tanh } from "./ops.ts";
import { openPool } from "./pool.ts";
import { compile, openSession } from "./session.ts";

const N = 12;
function program() {
  const graph = new Graph("layer");
  const [x, w] = [graph.input("x", "float32", [N, N]), graph.input("w", "float32", [N, N])];
  const y = tanh(gemm(x, w));
  graph.output("y", y);
  graph.output("p", logSoftmax(y));
  return compile(graph);
}
const matrix = (seed: number): Tensor =>
  tensor(
    "float32",
    [N, N],
    Float32Array.from({ length: N * N }, (_, i) => Math.sin(i * 0.7 + seed)),
  );

test.each([1, 2, 3])(
  "%i threads: many calls at once give what a plain session gives, to the bit, each to its caller",
  async (threads) => {
    const pool = await openPool(program(), { threads });
    expect(pool.lanes).toBe(threads);
    const plain = await openSession(program(), { threads: 1 });
    const w = matrix(100);
    const results = await Promise.all(Array.from({ length: 20 }, (_, i) => pool.run({ x: matrix(i), w })));
    for (const [i, result] of results.entries()) expect(result).toEqual(await plain.run({ x: matrix(i), w }));
    await Promise.all([pool.close(), plain.close()]);
  },
);

test("an array over shared memory is read where it is: a change between calls is seen", async () => {
  const pool = await openPool(program(), { threads: 2 });
  const shared = new Float32Array(new SharedArrayBuffer(N * N * 4));
  const inputs = { x: matrix(1), w: tensor("float32", [N, N], shared) };
  expect((await pool.run(inputs)).y!.data.every((v) => v === 0)).toBe(true);
  shared.fill(1);
  expect((await pool.run(inputs)).y!.data.some((v) => v !== 0)).toBe(true);
  await pool.close();
});

test("inputs are still the caller's after a call", async () => {
  const pool = await openPool(program(), { threads: 1 });
  const x = matrix(3);
  const before = x.data.slice();
  await pool.run({ x, w: matrix(4) });
  expect(x.data).toEqual(before);
  await pool.close();
});

test(
  "an error in a worker reaches its caller with its kind and words; other calls go on, and the pool stays " + "usable",
  async () => {
    const pool = await openPool(program(), { threads: 2 });
    const w = matrix(1);
    const calls = await Promise.allSettled([
      pool.run({ x: matrix(1), w }),
      pool.run({ w }),
      pool.run({ x: matrix(2), w }),
      pool.run({ x: w }),
    ]);
    expect(calls.map((c) => c.status)).toEqual(["fulfilled", "rejected", "fulfilled", "rejected"]);
    expect((calls[1] as PromiseRejectedResult).reason).toMatchObject({
      name: "PixelcnnError",
      kind: "internal",
      message: "expected a tensor for input x of graph layer but received none",
    });
    await expect(pool.run({ x: matrix(5), w })).resolves.toHaveProperty("y");
    await pool.close();
  },
);

test("inputs that cannot be sent are an error, and the pool stays usable", async () => {
  const pool = await openPool(program(), { threads: 1 });
  const inputs = { x: matrix(1), w: matrix(2) };
  await expect(pool.run({ ...inputs, f: (() => 0) as unknown as Tensor })).rejects.toThrow("could not be cloned");
  await expect(pool.run(inputs)).resolves.toHaveProperty("y");
  await pool.close();
});

test("a program that no runtime accepts fails at the opening, with the runtime's words", async () => {
  const broken = { ...program(), bytes: Uint8Array.of(1, 2, 3) };
  await expect(openPool(broken, { threads: 2 })).rejects.toThrow(
    "expected the runtime to accept graph layer but it said:",
  );
});

test("closing lets a running call end and refuses calls that wait, and later ones", async () => {
  const pool = await openPool(program(), { threads: 1 });
  const inputs = { x: matrix(1), w: matrix(2) };
  const calls = Array.from({ length: 3 }, () =>
    pool.run(inputs).then(
      () => "done",
      (error: Error) => error.message,
    ),
  );
  await pool.close();
  const [running, ...waiting] = await Promise.all(calls);
  expect(running).toBe("done");
  expect(waiting).toEqual(Array(2).fill("expected an open pool for graph layer but it is closed"));
  await expect(pool.run(inputs)).rejects.toThrow("expected an open pool for graph layer but it is closed");
});
