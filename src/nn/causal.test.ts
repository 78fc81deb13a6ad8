/** What each convolution and product may look at. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Taps } from "../onnx/composites.ts";
import { evaluate, numbers } from "../onnx/evaluate.test-support.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { causalProduct, horizontalTaps, seenBy, verticalTaps } from "./causal.ts";

/** Offsets of the taps, read off a position far from every border. */
function offsetsOf(taps: (size: { height: number; width: number }) => Taps): string {
  const size = { height: 41, width: 41 };
  const { positions, count, indices } = taps(size);
  const centre = (positions - 1) / 2;
  return Array.from(indices.subarray(centre * count, (centre + 1) * count), (q) => {
    const [row, column] = [Math.floor(q / size.width) - 20, (q % size.width) - 20];
    return `${row},${column}`;
  }).join(" ");
}

describe("taps, in the order of docs/model.md", () => {
  test("the first vertical layer looks at ceil(n/2) rows strictly above, top first, left first", () => {
    expect(offsetsOf((size) => verticalTaps(size, 3, 1, true))).toBe("-2,-1 -2,0 -2,1 -1,-1 -1,0 -1,1");
  });
  test("a later vertical layer includes its own row", () => {
    expect(offsetsOf((size) => verticalTaps(size, 3, 1, false))).toBe("-1,-1 -1,0 -1,1 0,-1 0,0 0,1");
  });
  test("dilation spreads rows and columns, and leaves the own row", () => {
    expect(offsetsOf((size) => verticalTaps(size, 3, 2, false))).toBe("-2,-2 -2,0 -2,2 0,-2 0,0 0,2");
    expect(offsetsOf((size) => verticalTaps(size, 5, 3, false)).split(" ")).toHaveLength(15);
  });
  test("the horizontal stack looks left, farthest first, and at the centre last when it may", () => {
    expect(offsetsOf((size) => horizontalTaps(size, 7, 1, false))).toBe("0,-3 0,-2 0,-1");
    expect(offsetsOf((size) => horizontalTaps(size, 5, 2, true))).toBe("0,-4 0,-2 0,0");
  });
  test("for no kernel and dilation does a tap reach a later pixel", () => {
    const odd = fc.integer({ min: 1, max: 4 }).map((n) => 2 * n + 1);
    fc.assert(
      fc.property(odd, fc.integer({ min: 1, max: 3 }), (kernel, dilation) => {
        const size = { height: 6, width: 9 };
        for (const taps of [
          verticalTaps(size, kernel, dilation, true),
          verticalTaps(size, kernel, dilation, false),
          horizontalTaps(size, kernel, dilation, true),
          horizontalTaps(size, kernel, dilation, false),
        ]) {
          taps.indices.forEach((q, at) => {
            const p = Math.floor(at / taps.count);
            // A vertical layer may look along its own row: its input has seen only rows above.
            if (q !== taps.positions) expect(Math.floor(q / size.width)).toBeLessThanOrEqual(Math.floor(p / size.width));
          });
        }
        const first = verticalTaps(size, kernel, 1, true);
        first.indices.forEach((q, at) => {
          if (q !== first.positions) expect(Math.floor(q / 9)).toBeLessThan(Math.floor(Math.floor(at / first.count) / 9));
        });
        const left = horizontalTaps(size, kernel, dilation, false);
        left.indices.forEach((q, at) => {
          if (q !== left.positions) expect(q).toBeLessThan(Math.floor(at / left.count));
        });
      }),
    );
  });
});

test("a mask A group sees the groups before it, a mask B group itself too", () => {
  const seen = (mask: "A" | "B") => [0, 1, 2].map((c) => seenBy(c, 6, 3, mask));
  expect(seen("A")).toEqual([0, 2, 4]);
  expect(seen("B")).toEqual([2, 4, 6]);
  expect(seenBy(0, 5, 1, "A")).toBe(0);
  expect(seenBy(0, 5, 1, "B")).toBe(5);
});

describe("a block-triangular product is a whole product with the matrix that its mask leaves", () => {
  const counting = (shape: readonly number[], from: number): Tensor<"float64"> =>
    tensor(
      "float64",
      shape,
      Float64Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 7 + from) % 11) - 5),
    );
  const cases = [1, 2, 3].flatMap((groups) =>
    (["A", "B"] as const).flatMap((mask) =>
      [1, 2].flatMap((halves) => [false, true].map((biased) => ({ groups, mask, halves, biased }))),
    ),
  );
  test.each(cases.filter(({ groups, mask }) => groups > 1 || mask === "B"))(
    "groups $groups, mask $mask, halves $halves, bias $biased",
    async ({ groups, mask, halves, biased }) => {
      const [rows, inputs, outputs] = [2, 2 * groups, 3 * groups];
      const x = counting([rows, inputs], 1);
      const bias = counting([outputs * halves], 3);
      const weights = Array.from({ length: groups }, (_, c) => counting([seenBy(c, inputs, groups, mask), 3 * halves], c));
      const { y } = await evaluate(
        (g) => {
          const values = weights.map((w) => g.constant("float64", w.shape, w.data));
          return {
            y: causalProduct(g.input("x", "float64", x.shape), (c) => values[c]!, {
              outputs,
              groups,
              mask,
              ...(halves === 2 ? { halves } : {}),
              ...(biased ? { bias: g.constant("float64", bias.shape, bias.data) } : {}),
            }),
          };
        },
        { x },
      );
      // Column o of half f: group floor(o / 3), which holds both halves side by side.
      const expected = Array.from({ length: rows * outputs * halves }, (_, at) => {
        const [row, column] = [Math.floor(at / (outputs * halves)), at % (outputs * halves)];
        const [half, o] = [Math.floor(column / outputs), column % outputs];
        const c = Math.floor(o / 3);
        let sum = biased ? bias.data[column]! : 0;
        for (let i = 0; i < inputs; i++)
          if (mask === "A" ? Math.floor(i / 2) < c : Math.floor(i / 2) <= c)
            sum += x.data[row * inputs + i]! * weights[c]!.data[i * 3 * halves + half * 3 + (o % 3)]!;
        return sum;
      });
      expect(y!.shape).toEqual([rows, outputs * halves]);
      // Small whole numbers: exact.
      expect(numbers(y!)).toEqual(expected);
    },
  );
});
