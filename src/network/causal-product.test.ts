/** What each group of a product at the pixel itself may look at. */

import { describe, expect, test } from "vitest";
import { evaluate, numbers } from "../onnx/evaluate.test-support.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { causalProduct } from "./causal-product.ts";

describe("a block-triangular product is a whole product with the matrix that its mask leaves", () => {
  const counting = (shape: readonly number[], from: number): Tensor<"float64"> =>
    tensor(
      "float64",
      shape,
      Float64Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 7 + from) % 11) - 5),
    );
  const cases = [1, 2, 3].flatMap((groups) =>
    (["A", "B"] as const).flatMap((mask) =>
      [1, 2, 4].flatMap((parts) => [false, true].map((biased) => ({ groups, mask, parts, biased }))),
    ),
  );
  test.each(cases.filter(({ groups, mask }) => groups > 1 || mask === "B"))(
    "groups $groups, mask $mask, parts $parts, bias $biased",
    async ({ groups, mask, parts, biased }) => {
      const [rows, inputs, outputs] = [2, 2 * groups, 3 * groups];
      const x = counting([rows, inputs], 1);
      const bias = counting([outputs * parts], 3);
      const weights = Array.from({ length: groups }, (_, c) =>
        counting([((mask === "A" ? c : c + 1) * inputs) / groups, 3 * parts], c),
      );
      const { y } = await evaluate(
        (g) => {
          const values = weights.map((w) => g.constant("float64", w.shape, w.data));
          return {
            y: causalProduct(g.input("x", "float64", x.shape), (c) => values[c]!, {
              outputs,
              groups,
              mask,
              parts,
              ...(biased ? { bias: g.constant("float64", bias.shape, bias.data) } : {}),
            }),
          };
        },
        { x },
      );
      // Column o of half f: group floor(o / 3), which holds both parts side by side.
      const expected = Array.from({ length: rows * outputs * parts }, (_, at) => {
        const [row, column] = [Math.floor(at / (outputs * parts)), at % (outputs * parts)];
        const [half, o] = [Math.floor(column / outputs), column % outputs];
        const c = Math.floor(o / 3);
        let sum = biased ? bias.data[column]! : 0;
        for (let i = 0; i < inputs; i++)
          if (mask === "A" ? Math.floor(i / 2) < c : Math.floor(i / 2) <= c)
            sum += x.data[row * inputs + i]! * weights[c]!.data[i * 3 * parts + half * 3 + (o % 3)]!;
        return sum;
      });
      expect(y!.shape).toEqual([rows, outputs * parts]);
      // Small whole numbers: exact.
      expect(numbers(y!)).toEqual(expected);
    },
  );
});
