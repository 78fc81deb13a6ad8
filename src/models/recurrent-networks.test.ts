/**
 * The lists of steps of both PixelRNNs beside the laws that every family keeps (recurrent-laws.test.ts): when each step
 * runs, which changes of them would be a leak, and what the Diagonal BiLSTM would not see without its own pixel's
 * levels.
 */

import { describe, expect, test } from "vitest";
import { networkParameters } from "../network/declarations.ts";
import { initialise } from "../network/parameters.ts";
import {
  type ImageShape,
  lowered,
  measured,
  picture,
  refusal,
  rewired,
  times,
} from "../network/sights.test-support.ts";
import { here, type Network } from "../network/steps.ts";
import { randomFrom } from "../random.ts";
import { diagonalBilstm } from "./diagonal-bilstm.ts";
import { rowLstm } from "./row-lstm.ts";
import { resolvePixelcnn } from "./schema.ts";

const GREY = { channels: 1, levels: 4, features: 4, head: { features: 12 } };
// Wide heads: no ReLU closes all of a group's features.
const COLOUR = { channels: 3, levels: 3, features: 6, head: { features: 24 } };
const KINDS = [
  ["grey", GREY],
  ["three channels", COLOUR],
] as const;

const sizes = { height: 5, width: 7, firstKernel: 3, condition: { kind: "vector", size: 2 } } as const;
type Changes = Partial<Record<"height" | "width" | "depth" | "firstKernel" | "kernel", number>>;
/** `depth` counts the first convolution: 2 has one LSTM layer. */
const row = (kind: object, changes: Changes = {}): Network =>
  rowLstm(
    resolvePixelcnn({ family: "row-lstm", ...sizes, ...kind, depth: 2, ...changes }) as Parameters<typeof rowLstm>[0],
  );
const diagonal = (kind: object, changes: Changes = {}): Network =>
  diagonalBilstm(
    resolvePixelcnn({ family: "diagonal-bilstm", ...sizes, ...kind, depth: 2, ...changes }) as Parameters<
      typeof diagonalBilstm
    >[0],
  );
const everythingBefore = (s: ImageShape): string[] => picture(s, (i, j) => j < i);

describe("when a step runs follows from what it reads", () => {
  test("Row LSTM: gates pixel by pixel, their state-to-state term when the row begins", () => {
    expect(times(row(COLOUR))).toEqual({
      "layer1.x": "pixel: row of input, pixel of input, pixel of input",
      "layer2.gates": "pixel: row of layer2.state, pixel of layer1.x, pixel of layer1.x",
      "layer2.state": "pixel",
      "layer2.x": "pixel: pixel of layer1.x, pixel of layer2.state",
      "head.a": "pixel",
      "head.hidden": "pixel: pixel of head.a",
      "head.b": "pixel",
      "head.outputs": "pixel: pixel of head.b",
    });
  });

  test("Diagonal BiLSTM: the stream from the right when its row is finished; the row below begins with it", () => {
    expect(times(diagonal(COLOUR))).toMatchObject({
      "layer2.leftGates": "pixel: row of layer2.left, pixel of layer1.x, pixel of layer2.left",
      "layer2.left": "pixel",
      "layer2.rightGates":
        "finished: row of layer2.right, finished of layer1.x, finished of input, finished of layer2.right",
      "layer2.right": "finished",
      "layer2.x": "pixel: pixel of layer1.x, row of layer2.right, pixel of layer2.left",
    });
  });
});

describe.each(KINDS)("%s", (_, kind) => {
  /** The right-to-left stream joined where it lies, not a row lower. */
  const unshifted = (network: Network): Network =>
    rewired(network, "layer2.x", (terms) =>
      terms.map((t) => (t.term === "read" && t.map.name === "layer2.right" ? { ...t, at: [[0, 0]] } : t)),
    );

  test("the stream from the right joined without its shift is a leak, and the step that leaks is named", () => {
    expect(refusal(diagonal(kind))).toBe("none");
    expect(refusal(unshifted(diagonal(kind)))).toBe(
      "expected outputs before their pixel but layer2.rightGates reads layer1.x at [0, 0], all groups, " +
        "and the outputs read that row by way of layer2.right, layer2.x, head.a, head.hidden, head.b, head.outputs: " +
        "a leak",
    );
  });

  test.each([
    ["Row LSTM", row],
    ["Diagonal BiLSTM", diagonal],
  ])("mask B in the first layer of the %s is a leak", (__, make) => {
    const network = make(kind);
    const leaking = rewired(network, "layer1.x", (terms) => [
      ...terms.filter((t) => !("mask" in t && t.mask === "A")),
      here(network.input, "B", "layer1.centre{c}.W"),
    ]);
    expect(refusal(network)).toBe("none");
    expect(refusal(leaking)).toMatch(
      /^expected outputs before their pixel but layer1\.x reads input at \[0, 0\], the groups up to its own, and .*: a leak$/,
    );
  });

  test("the numbers of a network without the shift do see what comes later", () => {
    const s = { ...kind, height: 2, width: 3 };
    const found = lowered(unshifted(diagonal(kind, s)), s);
    expect(found).toEqual(measured(unshifted(diagonal(kind, s)), s));
    expect(found[0]![0]).toBe("x");
    expect(lowered(diagonal(kind, s), s)).toEqual(everythingBefore(s));
  });

  test.each([
    { height: 1, width: 7 },
    { height: 6, width: 1 },
  ])("of $height x $width, list and numbers agree in what is seen, and nothing is seen early", (size) => {
    const s = { ...kind, ...size };
    for (const network of [row(kind, size), diagonal(kind, size)]) {
      const found = lowered(network, s);
      expect(found).toEqual(measured(network, s));
      found.forEach((line, i) => {
        expect(line.slice(i)).not.toContain("x");
      });
    }
    expect(lowered(diagonal(kind, size), s)).toEqual(everythingBefore(s));
  });
});

test.each([
  { depth: 2, firstKernel: 3, kernel: 3 },
  { depth: 4, firstKernel: 5, kernel: 3 },
  { depth: 3, firstKernel: 3, kernel: 7 },
  { depth: 2, firstKernel: 7, kernel: 5 },
])("the Row LSTM sees the triangle that docs/model.md states: %o", (changes) => {
  const s = { ...GREY, height: 7, width: 31 };
  const [r, m, N] = [(changes.firstKernel - 1) / 2, (changes.kernel - 1) / 2, changes.depth - 1];
  const stated = picture(s, (i, j) => {
    const [up, right] = [Math.floor(i / s.width) - Math.floor(j / s.width), (j % s.width) - (i % s.width)];
    if (up === 0) return right < 0 && -right <= r + N * m;
    if (up < 0 || -right > r + (N + up) * m) return false;
    const last = j % s.width === s.width - 1;
    return right <= r + (up - 1) * m || (!last && right <= up * m - 1);
  });
  expect(lowered(row(GREY, { ...changes, height: s.height, width: s.width }), s)).toEqual(stated);
});

describe("the own pixel's levels in the stream from the right", () => {
  const blind = (network: Network): Network =>
    rewired(network, "layer2.rightGates", (terms) => terms.filter((t) => !("map" in t && t.map.name === "input")));
  const big = { height: 28, width: 28, firstKernel: 7 };

  test.each([2, 4])(
    "without them 648 earlier pixels of 28x28 are missed after a first kernel of 7: depth %i",
    (depth) => {
      const seen = lowered(blind(diagonal(GREY, { ...big, depth })), { ...GREY, ...big });
      const missed = seen.flatMap((line, i) =>
        [...line.slice(0, i)].flatMap((mark, j) => (mark === "." ? [[i, j]] : [])),
      );
      // Of each row but the first, all but the last four columns miss the last pixel of the row above.
      expect(missed).toEqual(
        Array.from({ length: 27 * 24 }, (_, n) => {
          const [i, j] = [1 + Math.floor(n / 24), n % 24];
          return [i * 28 + j, i * 28 - 1];
        }),
      );
      expect(missed).toHaveLength(648);
    },
  );

  test("with them none is", () => {
    const s = { ...GREY, ...big };
    expect(lowered(diagonal(GREY, big), s)).toEqual(everythingBefore(s));
  });

  test("in colour only the last channel of that pixel is missed", () => {
    const s = { ...COLOUR, height: 3, width: 7 };
    const all = everythingBefore(s);
    const missed = lowered(blind(diagonal(COLOUR, { height: 3, depth: 3 })), s).flatMap((line, i) =>
      [...line].flatMap((mark, j) => (mark === all[i]![j] ? [] : [[i, j]])),
    );
    // Of two rows, the columns that the first kernel of 3 leaves: 5 of 7, all three channels of each.
    expect(missed).toHaveLength(2 * 5 * 3);
    expect(new Set(missed.map(([, j]) => j! % 21))).toEqual(new Set([20]));
  });
});

test.each([
  ["Row LSTM", row, ["layer2.b", "layer3.b"]],
  ["Diagonal BiLSTM", diagonal, ["layer2.left.b", "layer2.right.b", "layer3.left.b", "layer3.right.b"]],
] as const)("forget gates of the %s begin open: a bias of 1, the other gates' biases at zero", (_, make, biases) => {
  const values = initialise(networkParameters(make(COLOUR, { depth: 3 })), randomFrom(1));
  for (const name of biases)
    for (const part of ["o", "f", "i", "g"])
      expect(new Set(values.get(`${name}_${part}`)!.data), name + part).toEqual(new Set([part === "f" ? 1 : 0]));
});
