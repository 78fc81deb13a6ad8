/** Reverse mode on random compositions of operators, against central differences. */

import fc from "fast-check";
import { test } from "vitest";
import { gate } from "../onnx/composites.ts";
import type { Value } from "../onnx/graph.ts";
import * as ops from "../onnx/ops.ts";
import { type Build, checkDerivatives, randomTensor } from "./central-differences.test-support.ts";

/** Smooth functions of two [2, 4] matrices that give one. */
const STEPS: Record<string, (a: Value, b: Value) => Value> = {
  sum: ops.add,
  difference: ops.sub,
  product: (a, b) => ops.mul(ops.tanh(a), b),
  quotient: (a, b) => ops.div(a, ops.add(ops.mul(b, b), 1)),
  logistic: (a) => ops.sigmoid(a),
  exponential: (a) => ops.exp(ops.tanh(a)),
  logarithm: (a) => ops.log(ops.add(ops.mul(a, a), 1)),
  root: (a) => ops.sqrt(ops.add(ops.mul(a, a), 1)),
  probabilities: (a) => ops.softmax(a),
  logProbabilities: (a) => ops.mul(ops.logSoftmax(a), 0.3),
  turned: (a, b) => ops.tanh(ops.gemm(ops.gemm(a, b, { transB: true }), a)),
  stacked: (a, b) => ops.slice(ops.concat([a, b], 0), 0, 1, 3),
  shifted: (a) => ops.pad(a, [0, 1], [0, -1]),
  centred: (a) => ops.sub(a, ops.mul(ops.reduceSum(a, { axes: [1], keepAxes: true }), 0.25)),
  gated: (a, b) => gate(ops.concat([a, b], 1)),
  transposed: (a) => ops.reshape(ops.transpose(a, [1, 0]), [2, 4]),
  stretched: (a) => ops.expand(ops.slice(a, 0, 0, 1), [2, 4]),
};

const program = fc.array(fc.tuple(fc.constantFrom(...Object.keys(STEPS)), fc.nat(9), fc.nat(9)), {
  minLength: 1,
  maxLength: 8,
});

test("a random composition has the derivatives that differences find", async () => {
  await fc.assert(
    fc.asyncProperty(program, fc.nat(1000), async (steps, seed) => {
      const inputs = { a: randomTensor([2, 4], 2 * seed), b: randomTensor([2, 4], 2 * seed + 1) };
      const build: Build = ({ a, b }) => {
        // Operands are counted from the newest; the last value joins all, so that every input matters.
        const made = [a!, b!];
        for (const [name, i, j] of steps)
          made.push(STEPS[name]!(made.at(-1 - (i % made.length))!, made.at(-1 - (j % made.length))!));
        return made.reduce((sum, value) => ops.add(sum, value));
      };
      // Sums of sums grow to hundreds, and the rounding of a difference with them: 1e-16 x 1e3 / STEP, a hundred times
      // below this.
      await checkDerivatives(inputs, build, 1e-6);
    }),
    { numRuns: 30 },
  );
});
