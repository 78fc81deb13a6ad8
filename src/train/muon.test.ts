/** Muon's directions, against a singular value decomposition by hand; and what it leaves to Adam. */

import { expect, test } from "vitest";
import { modelParameters } from "../models/families.ts";
import { resolvePixelcnn } from "../models/schema.ts";
import { flatBlocks } from "../network/parameters.ts";
import { evaluate, numbers } from "../onnx/evaluate.test-support.ts";
import { randomFrom } from "../random.ts";
import { tensor } from "../tensor.ts";
import { hiddenMask, orthogonalised } from "./muon.ts";

const config = resolvePixelcnn({ height: 5, width: 5, channels: 1, levels: 2, features: 6, depth: 3, skip: 8 });
const blocks = flatBlocks(modelParameters(config));
const mask = hiddenMask(blocks);

/** The matrices of the hidden blocks in a flat vector: [rows][columns] of each part. */
function matrices(flat: readonly number[]): { name: string; rows: number[][] }[] {
  let at = 0;
  return blocks.flatMap(({ name, rows, columns, parts }) => {
    const start = at;
    at += rows * columns;
    if (!parts[0]!.hidden) return [];
    const width = columns / parts.length;
    return parts.map((_, part) => ({
      name: `${name}, part ${part}`,
      rows: Array.from({ length: rows }, (_, i) =>
        flat.slice(start + i * columns + part * width, start + i * columns + (part + 1) * width),
      ),
    }));
  });
}

const transposed = (m: number[][]): number[][] => m[0]!.map((_, j) => m.map((row) => row[j]!));
const dot = (a: number[], b: number[]): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
/** The columns of the smaller side, times each other: the squares of the singular values are its eigenvalues. */
function gram(m: number[][]): number[][] {
  const narrow = m.length < m[0]!.length ? m : transposed(m);
  return narrow.map((a) => narrow.map((b) => dot(a, b)));
}
/** The largest eigenvalue of a symmetric matrix, by powers of it. */
function largest(m: number[][]): number {
  let v = m.map((_, i) => 1 + 0.37 * i);
  let found = 0;
  for (let i = 0; i < 500; i++) {
    const next = m.map((row) => dot(row, v));
    found = Math.sqrt(dot(next, next));
    v = next.map((x) => x / found);
  }
  return found;
}

const random = randomFrom(4);
const momentum = Float32Array.from({ length: mask.length }, () => random.uniform() - 0.5);
const found = evaluate((graph) => ({ out: orthogonalised(graph.input("x", "float32", [momentum.length]), blocks) }), {
  x: tensor("float32", [momentum.length], momentum),
}).then(({ out }) => numbers(out!));

test("products between hidden features are its own; pixels, outputs and biases are Adam's", async () => {
  const names = blocks.filter(({ parts }) => parts[0]!.hidden).map(({ name }) => name);
  expect(names).toContain("layer2.vertical.W");
  expect(names).toContain("layer1.link.W");
  expect(names).toContain("head.hidden0.W");
  expect(names).not.toContain("layer1.vertical.W");
  expect(names).not.toContain("head.logits0.W");
  expect(names.some((name) => name.endsWith(".b"))).toBe(false);
  for (const [i, x] of (await found).entries()) if (mask[i] === 0) expect(x).toBe(0);
});

test("each part of a gate is a matrix of its own, whose singular values come near 1", async () => {
  const before = matrices([...momentum]);
  for (const [i, { name, rows }] of matrices(await found).entries()) {
    const g = gram(rows);
    const scale = Math.max(1, rows[0]!.length / rows.length);
    const most = largest(g) / scale;
    // The smallest eigenvalue, by the largest of what is missing to it.
    const least =
      (most * scale - largest(g.map((row, a) => row.map((x, b) => (a === b ? most * scale - x : -x))))) / scale;
    // Five steps of Jordan's coefficients end between 0.7 and 1.2 for all but tiny singular values.
    expect(Math.sqrt(most), name).toBeLessThan(1.25);
    expect(Math.sqrt(Math.max(0, least)), name).toBeGreaterThan(0.4);
    // And it goes the way of the momentum.
    expect(dot(rows.flat(), before[i]!.rows.flat()), name).toBeGreaterThan(0);
  }
});
