/**
 * Broadcasting, slices, pads and gathers against index arithmetic written out, on random shapes through the runtime.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import { type Shape, sizeOf, type Tensor, tensor } from "../tensor.ts";
import { convolve, gatherTaps, tapsAt, transposeTaps } from "./composites.ts";
import { evaluate } from "./evaluate.test-support.ts";
import { Graph } from "./graph.ts";
import * as ops from "./ops.ts";

// Each case opens a session: few runs, small tensors.
const settings = { numRuns: 40 };

/** The index of each axis of element `flat` of a shape. */
function unravel(flat: number, shape: Shape): number[] {
  const index: number[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index.unshift(flat % shape[axis]!);
    flat = Math.floor(flat / shape[axis]!);
  }
  return index;
}

/** NumPy's rule, told once more: axes are matched from the last; a missing axis or one of size 1 repeats. */
function readBroadcast({ shape, data }: Tensor, index: readonly number[]): number {
  let flat = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    const i = index[index.length - shape.length + axis]!;
    flat = flat * shape[axis]! + (shape[axis] === 1 ? 0 : i);
  }
  return Number(data[flat]);
}

const values = (shape: Shape, from = 1): Tensor<"float64"> =>
  tensor(
    "float64",
    shape,
    Float64Array.from({ length: sizeOf(shape) }, (_, i) => from + i),
  );

/** A shape, and two that broadcast to it. */
const pairs = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }).chain((whole) => {
  const part = fc
    .tuple(fc.nat(whole.length), fc.array(fc.boolean(), { minLength: whole.length, maxLength: whole.length }))
    .map(([drop, ones]) => whole.map((n, i) => (ones[i] ? 1 : n)).slice(drop));
  return fc.tuple(fc.constant(whole), part);
});

test("a binary operator repeats axes as NumPy does, both ways", async () => {
  await fc.assert(
    fc.asyncProperty(pairs, fc.boolean(), async ([whole, part], partFirst) => {
      const [a, b] = partFirst ? [values(part), values(whole, 100)] : [values(whole), values(part, 100)];
      const { y } = await evaluate(
        (g) => {
          const [x, z] = [g.input("a", "float64", a.shape), g.input("b", "float64", b.shape)];
          return { y: ops.sub(x, z) };
        },
        { a, b },
      );
      expect(y!.shape).toEqual(whole);
      y!.data.forEach((v, i) => {
        const index = unravel(i, whole);
        expect(v).toBe(readBroadcast(a, index) - readBroadcast(b, index));
      });
    }),
    settings,
  );
});

test(
  "broadcastShape is symmetric, has the whole as a fixed point, and is null exactly when two axes differ and " +
    "neither is 1",
  () => {
    const shape = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 4 });
    fc.assert(
      fc.property(shape, shape, (a, b) => {
        const result = ops.broadcastShape(a, b);
        expect(ops.broadcastShape(b, a)).toEqual(result);
        const [p, q] = [a.toReversed(), b.toReversed()];
        const clash = p.some((n, i) => q[i] !== undefined && q[i] !== n && q[i] !== 1 && n !== 1);
        expect(result === null).toBe(clash);
        if (result) {
          expect(ops.broadcastShape(result, a)).toEqual(result);
          expect(ops.broadcastShape(result, b)).toEqual(result);
        }
      }),
    );
  },
);

test(
  "pad puts element i at i + before, drops what falls outside, and leaves zeros elsewhere, negative pads " + "too",
  async () => {
    const axis = fc
      .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: -3, max: 3 }), fc.integer({ min: -3, max: 3 }))
      .filter(([n, before, after]) => n + before + after > 0);
    await fc.assert(
      fc.asyncProperty(fc.array(axis, { minLength: 1, maxLength: 3 }), async (axes) => {
        const x = values(axes.map(([n]) => n));
        const before = axes.map(([, b]) => b);
        const { y } = await evaluate(
          (g) => ({
            y: ops.pad(
              g.input("x", "float64", x.shape),
              before,
              axes.map(([, , a]) => a),
            ),
          }),
          { x },
        );
        y!.data.forEach((v, i) => {
          const source = unravel(i, y!.shape).map((at, k) => at - before[k]!);
          const inside = source.every((at, k) => at >= 0 && at < x.shape[k]!);
          expect(v).toBe(inside ? readBroadcast(x, source) : 0);
        });
      }),
      settings,
    );
  },
);

const imagesAndTaps = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  height: fc.integer({ min: 1, max: 4 }),
  width: fc.integer({ min: 1, max: 4 }),
  features: fc.integer({ min: 1, max: 3 }),
  offsets: fc.uniqueArray(fc.tuple(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -3, max: 3 })), {
    minLength: 1,
    maxLength: 4,
    selector: (offset) => offset.join(),
  }),
});

test("a gather of taps reads the neighbour at each offset, and zero outside the image", async () => {
  await fc.assert(
    fc.asyncProperty(imagesAndTaps, async ({ batch, height, width, features, offsets }) => {
      const x = values([batch, height * width, features]);
      const { y } = await evaluate(
        (g) => ({
          y: gatherTaps(g.input("x", "float64", x.shape), tapsAt(height, width, offsets)),
        }),
        { x },
      );
      expect(y!.shape).toEqual([batch * height * width, offsets.length * features]);
      y!.data.forEach((v, at) => {
        const [b, i, j, t, f] = unravel(at, [batch, height, width, offsets.length, features]) as [
          number,
          number,
          number,
          number,
          number,
        ];
        const [row, column] = [i + offsets[t]![0], j + offsets[t]![1]];
        const inside = row >= 0 && row < height && column >= 0 && column < width;
        expect(v).toBe(inside ? x.data[(b * height * width + row * width + column) * features + f] : 0);
      });
    }),
    settings,
  );
});

test("transposed taps are the taps at the opposite offsets, and transposing twice changes nothing", () => {
  fc.assert(
    fc.property(imagesAndTaps, ({ height, width, offsets }) => {
      const taps = tapsAt(height, width, offsets);
      const back = transposeTaps(taps);
      // 0 - d: no negative zeros.
      expect(back).toEqual(
        tapsAt(
          height,
          width,
          offsets.map(([di, dj]) => [0 - di, 0 - dj] as const),
        ),
      );
      expect(transposeTaps(back)).toEqual(taps);
    }),
  );
});

test("a convolution is its taps times the weights, plus the bias, of a feature or of a position", async () => {
  await fc.assert(
    fc.asyncProperty(imagesAndTaps, fc.constantFrom("none", "row", "whole"), async (shape, kind) => {
      const { batch, height, width, features, offsets } = shape;
      const rows = batch * height * width;
      const [x, w] = [values([batch, height * width, features]), values([offsets.length * features, 2], -3)];
      const bias = values(kind === "row" ? [2] : [rows, 2], 50);
      const { y } = await evaluate(
        (g) => {
          const b = kind === "none" ? {} : { bias: g.input("bias", "float64", bias.shape) };
          const taps = tapsAt(height, width, offsets);
          return { y: convolve(g.input("x", "float64", x.shape), g.input("w", "float64", w.shape), { taps, ...b }) };
        },
        { x, w, bias },
      );
      y!.data.forEach((v, at) => {
        const [b, i, j, o] = unravel(at, [batch, height, width, 2]) as [number, number, number, number];
        let sum = kind === "none" ? 0 : readBroadcast(bias, [(b * height + i) * width + j, o]);
        offsets.forEach(([di, dj], t) => {
          if (i + di < 0 || i + di >= height || j + dj < 0 || j + dj >= width) return;
          const p = (i + di) * width + (j + dj);
          for (let f = 0; f < features; f++)
            sum += x.data[(b * height * width + p) * features + f]! * w.data[(t * features + f) * 2 + o]!;
        });
        // Whole numbers far below 2^53: exact in any order of addition.
        expect(v).toBe(sum);
      });
    }),
    settings,
  );
});

test("equal constants and equal nodes are one, whatever their order of making", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(-0, 0, 1, Number.NaN), { minLength: 1, maxLength: 3 }), (numbers) => {
      const graph = new Graph();
      const [a, b] = [
        graph.constant("float32", [numbers.length], numbers),
        graph.constant("float32", [numbers.length], numbers),
      ];
      expect(a).toBe(b);
      expect(ops.exp(a)).toBe(ops.exp(b));
      const negated = graph.constant(
        "float32",
        [numbers.length],
        numbers.map((n) => (n === 0 ? (Object.is(n, -0) ? 0 : -0) : n)),
      );
      expect(negated === a).toBe(numbers.every((n) => n !== 0));
    }),
  );
});
