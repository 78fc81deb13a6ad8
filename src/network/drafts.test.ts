/**
 * The step language can say what comes next: drafts of recurrent networks, of options of the gated one and of a mixture
 * head. What each can see is held against a closed form written without its list, and against numbers that change.
 */

import { describe, expect, test } from "vitest";
import { randomFrom } from "../random.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { networkParameters } from "./declarations.ts";
import { contains, dependencies } from "./dependencies.ts";
import {
  COMPONENTS,
  type DraftSettings,
  diagonalBilstm,
  rowLstm,
  rowRecurrent,
  withEmbeddedLevels,
  withMixture,
  withMlp,
  withPositions,
} from "./drafts.test-support.ts";
import { naiveOutputs } from "./naive.test-support.ts";
import { initialise } from "./parameters.ts";
import { schedule, WHEN } from "./schedule.ts";
import { type FeatureMap, here, type Network, type Term, taps } from "./steps.ts";

/** A sub-pixel, from where another looks: rows up, columns to the right, its own channel and that of the one that looks. */
interface Sight {
  readonly up: number;
  readonly right: number;
  readonly channel: number;
  readonly by: number;
}
/** Whether it is seen: a closed form. */
type Sees = (sight: Sight) => boolean;

/** Of the own row: so many pixels to the left, and of the pixel itself the channels before its own. */
const ownRow = ({ right, channel, by }: Sight, reach: number): boolean =>
  right < 0 ? -right <= reach : right === 0 && channel < by;

/** n x n, then k x k in every layer. */
const reachOf = ({ firstKernel, kernel, depth }: DraftSettings, layers = depth): number =>
  (firstKernel - 1) / 2 + ((layers - 1) * (kernel - 1)) / 2;

/** The rectangle above of the Gated PixelCNN: as many rows as columns to a side, and one for the shift. */
const gatedField =
  (s: DraftSettings): Sees =>
  (at) =>
    at.up === 0 ? ownRow(at, reachOf(s)) : at.up <= reachOf(s) + 1 && Math.abs(at.right) <= reachOf(s);

/** The rectangle, and above it every row as wide as one layer less sees, since all layers but the first go down their column. */
const columnField =
  (s: DraftSettings): Sees =>
  (at) =>
    gatedField(s)(at) || (at.up > 0 && Math.abs(at.right) <= reachOf(s, s.depth - 1));

/**
 * The triangle: a state reads m to each side in the row above, whose states do so again. The way to the right ends with
 * the first convolution: up a row and r to the side. To the left come m of each layer's input-to-state, and r.
 */
const triangle = ({ firstKernel, kernel, depth }: DraftSettings): Sees => {
  const [r, m] = [(firstKernel - 1) / 2, (kernel - 1) / 2];
  const toLeft = (up: number): number => up * m + depth * m + r;
  const toRight = (up: number): number => (up - 1) * m + r;
  return (at) => (at.up === 0 ? ownRow(at, toLeft(0)) : -toLeft(at.up) <= at.right && at.right <= toRight(at.up));
};

const everythingBefore = (): Sees => (at) => at.up > 0 || ownRow(at, Infinity);

interface Draft {
  readonly name: string;
  readonly network: (settings: DraftSettings) => Network;
  readonly changes?: Partial<DraftSettings>;
  readonly field: (settings: DraftSettings) => Sees;
}

const DRAFTS: readonly Draft[] = [
  { name: "Row LSTM", network: rowLstm, field: triangle },
  { name: "Row LSTM, kernels 5 and 5", network: rowLstm, field: triangle, changes: { firstKernel: 5, kernel: 5, depth: 1 } },
  { name: "Diagonal BiLSTM", network: diagonalBilstm, field: everythingBefore },
  { name: "Diagonal BiLSTM of one layer", network: diagonalBilstm, field: everythingBefore, changes: { depth: 1 } },
  { name: "gated, down the columns", network: rowRecurrent, field: columnField },
  { name: "gated, with a position map", network: withPositions, field: gatedField },
  { name: "gated, levels by embedding", network: withEmbeddedLevels, field: gatedField, changes: { firstKernel: 5 } },
  { name: "gated, an MLP behind the gate", network: withMlp, field: gatedField },
  { name: "gated, a logistic mixture", network: withMixture, field: gatedField },
];

const GREY = { channels: 1, levels: 4, features: 4, hidden: 12, condition: null };
// Wide heads: no ReLU closes all of a group's features.
const COLOUR = { channels: 3, levels: 3, features: 6, hidden: 24, condition: 2 };
const SIZES = [
  { height: 5, width: 7 },
  { height: 1, width: 7 },
  { height: 6, width: 1 },
];
const CONDITION = [0.7, -1.1];

const settingsOf = (of: Partial<DraftSettings> = {}): DraftSettings => ({
  ...{ height: 5, width: 7, depth: 2, firstKernel: 3, kernel: 3 },
  ...GREY,
  ...of,
});

/** Random weights, none of them zero; moderate, so that gates stay off their ends. Biases above zero open ReLUs. */
function randomWeights(network: Network, seed = 1): Map<string, Tensor> {
  const random = randomFrom(seed);
  return new Map(
    networkParameters(network).map(({ name, shape, decays }) => {
      const most = decays ? 1.5 / Math.sqrt(sizeOf(shape) / shape.at(-1)!) : 0.5;
      const sign = (): number => (decays && random.below(2) === 0 ? -1 : 1);
      const draw = (): number => sign() * most * (0.1 + 0.9 * random.uniform());
      return [name, tensor("float32", shape, Float32Array.from({ length: sizeOf(shape) }, draw))];
    }),
  );
}

function randomLevels({ height, width, channels, levels }: DraftSettings): Uint8Array {
  const random = randomFrom(7);
  return Uint8Array.from({ length: height * width * channels }, () => random.below(levels));
}

/** Outputs of every sub-pixel in float64. */
function outputsOf(network: Network, s: DraftSettings, weights: ReadonlyMap<string, Tensor>, pixels: Uint8Array): number[][] {
  const condition = s.condition === null ? null : () => CONDITION;
  return naiveOutputs(network, weights, { height: s.height, width: s.width, pixels, condition });
}

/** A matrix of who sees whom, a line per sub-pixel, so that two that differ are told apart at a glance. */
function picture({ height, width, channels }: DraftSettings, sees: (i: number, j: number) => boolean): string[] {
  const size = height * width * channels;
  return Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => (sees(i, j) ? "x" : ".")).join(""));
}

function lowered(network: Network, s: DraftSettings): string[] {
  const sets = dependencies(network, s);
  return picture(s, (i, j) => contains(sets[i]!, j));
}

function byHand(field: (settings: DraftSettings) => Sees, s: DraftSettings): string[] {
  const { width: W, channels: C } = s;
  const placed = (i: number) => ({ row: Math.floor(i / (W * C)), column: Math.floor(i / C) % W, channel: i % C });
  const sees = field(s);
  return picture(s, (i, j) => {
    const [by, at] = [placed(i), placed(j)];
    const [up, right] = [by.row - at.row, at.column - by.column];
    return up >= 0 && sees({ up, right, channel: at.channel, by: by.channel });
  });
}

function measured(network: Network, s: DraftSettings): string[] {
  const weights = randomWeights(network);
  const pixels = randomLevels(s);
  const before = outputsOf(network, s, weights, pixels);
  const after = Array.from(pixels, (level, j) => outputsOf(network, s, weights, pixels.with(j, (level + 1) % s.levels)));
  return picture(s, (i, j) => after[j]![i]!.some((y, m) => y !== before[i]![m]));
}

describe.each(DRAFTS)("$name", ({ network: draft, field, changes = {} }) => {
  describe.each([
    ["grey", GREY],
    ["three channels", COLOUR],
  ])("%s", (_, kind) => {
    test.each(SIZES)("sees what its closed form says, in the list and in numbers: $height x $width", (size) => {
      const s = settingsOf({ ...kind, ...changes, ...size });
      const network = draft(s);
      const found = lowered(network, s);
      expect(found).toEqual(byHand(field, s));
      expect(found).toEqual(measured(network, s));
    });

    test("every parameter moves the outputs", () => {
      const s = settingsOf({ ...kind, ...changes, height: 4, width: 4 });
      const network = draft(s);
      const weights = randomWeights(network);
      const pixels = randomLevels(s);
      const before = outputsOf(network, s, weights, pixels);
      for (const [name, { shape, data }] of weights) {
        const other = tensor(
          "float32",
          shape,
          Float32Array.from(data as Float32Array, (x) => 1.25 * x),
        );
        expect(outputsOf(network, s, new Map(weights).set(name, other), pixels), name).not.toEqual(before);
      }
    });

    test("in every sum, what its row begins with comes first", () => {
      const network = draft(settingsOf({ ...kind, ...changes }));
      const { term } = schedule(network);
      for (const step of network.steps) {
        if (step.step !== "sum") continue;
        const reads = step.terms.filter((t) => t.term === "read" || t.term === "embed").map((t) => WHEN.indexOf(term(t)));
        expect(reads, step.out.name).toEqual(reads.toSorted((a, b) => a - b));
      }
    });
  });
});

/** When each map of a network is known, and each term of its sums: "row of input" is a row term that reads the input. */
function times(network: Network): Record<string, string> {
  const when = schedule(network);
  return Object.fromEntries(
    network.steps.map((step) => {
      const terms =
        step.step === "sum" ? step.terms.flatMap((t) => ("map" in t ? [`${when.term(t)} of ${t.map.name}`] : [])).join(", ") : "";
      return [step.out.name, terms === "" ? when.of(step.out) : `${when.of(step.out)}: ${terms}`];
    }),
  );
}

describe("when a step runs follows from what it reads", () => {
  test("Row LSTM: gates pixel by pixel, their state-to-state term when the row begins", () => {
    const network = rowLstm(settingsOf({ ...COLOUR, depth: 1 }));
    expect(times(network)).toEqual({
      "first.x": "pixel: row of input, pixel of input, pixel of input",
      "layer1.gates": "pixel: row of layer1.state, pixel of first.x, pixel of first.x",
      "layer1.state": "pixel",
      "layer1.x": "pixel: pixel of first.x, pixel of layer1.state",
      "head.a": "pixel",
      "head.hidden": "pixel: pixel of head.a",
      "head.b": "pixel",
      "head.outputs": "pixel: pixel of head.b",
    });
  });

  test("Diagonal BiLSTM: the stream from the right when its row is finished; the row below begins with it", () => {
    expect(times(diagonalBilstm(settingsOf({ ...COLOUR, depth: 1 })))).toMatchObject({
      "layer1.leftGates": "pixel: row of layer1.left, pixel of layer1.left, pixel of first.x",
      "layer1.left": "pixel",
      "layer1.rightGates": "finished: row of layer1.right, finished of first.x, finished of input, finished of layer1.right",
      "layer1.right": "finished",
      "layer1.both": "pixel: row of layer1.right, pixel of layer1.left",
      "layer1.x": "pixel: pixel of first.x, pixel of layer1.both",
    });
  });

  test("down the columns: a row step like the vertical stack that feeds it", () => {
    expect(times(rowRecurrent(settingsOf(COLOUR)))).toMatchObject({
      "layer1.v": "row",
      "layer2.candidate": "row: row of layer1.v",
      "layer2.column": "row",
      "layer2.p": "row: row of layer1.v, row of layer2.column",
      "layer2.q": "pixel: row of layer2.p, pixel of layer1.h, pixel of layer1.h",
    });
  });

  test("a position map and levels by embedding change no step's time; an MLP runs pixel by pixel", () => {
    const s = settingsOf({ ...COLOUR, firstKernel: 5 });
    const plain = times(withMixture(s));
    expect(times(withPositions(s))["layer2.p"]).toBe(plain["layer2.p"]);
    expect(times(withEmbeddedLevels(s))).toMatchObject({
      "layer1.p": "row: row of input, row of input",
      "layer1.q": "pixel: row of layer1.p, pixel of input, pixel of input",
    });
    expect(times(withMlp(s))).toMatchObject({
      "layer1.inner": "pixel: pixel of layer1.y",
      "layer1.innerRelu": "pixel",
      "layer1.z": "pixel: pixel of layer1.y, pixel of layer1.innerRelu",
    });
  });
});

/** The network with the terms of one sum changed. */
function rewired(network: Network, name: string, change: (terms: readonly Term[]) => readonly Term[]): Network {
  const steps = network.steps.map((step) =>
    step.step === "sum" && step.out.name === name ? { ...step, terms: change(step.terms) } : step,
  );
  return { ...network, steps };
}

const mapOf = ({ input, steps }: Network, name: string): FeatureMap =>
  name === "input" ? input : steps.find(({ out }) => out.name === name)!.out;

describe.each([
  ["grey", GREY],
  ["three channels", COLOUR],
])("a leak is refused, and the step that leaks is named: %s", (_, kind) => {
  const s = settingsOf({ ...kind, depth: 1 });
  const refusal = (network: Network): string => {
    try {
      schedule(network);
    } catch (error) {
      return (error as Error).message;
    }
    return "none";
  };

  test("the stream from the right joined without its shift", () => {
    const leaking = rewired(diagonalBilstm(s), "layer1.both", (terms) =>
      terms.map((t) => (t.term === "plus" ? { ...t, at: [0, 0] } : t)),
    );
    expect(refusal(diagonalBilstm(s))).toBe("none");
    expect(refusal(leaking)).toBe(
      "expected outputs before their pixel but layer1.rightGates reads first.x at [0, 0], all groups, " +
        "and the outputs read that row by way of layer1.right, layer1.both, layer1.x, " +
        "head.a, head.hidden, head.b, head.outputs: a leak",
    );
  });

  test("mask B in the first layer", () => {
    const network = rowLstm(s);
    const leaking = rewired(network, "first.x", (terms) => [
      ...terms.filter((t) => !("mask" in t && t.mask === "A")),
      here(network.input, "B", "first.centre{c}.W"),
    ]);
    expect(refusal(leaking)).toBe(
      "expected outputs before their pixel but first.x reads input at [0, 0], the groups up to its own, " +
        "and the outputs read that row by way of layer1.x, head.a, head.hidden, head.b, head.outputs: a leak",
    );
  });

  test("levels of the pixel itself by embedding, without a mask", () => {
    const network = withEmbeddedLevels(s);
    const leaking = rewired(network, "layer1.q", (terms) => [
      ...terms,
      { term: "embed", map: network.input, at: [[0, 0]], mask: "all", by: { name: "E" } },
    ]);
    expect(refusal(leaking)).toMatch(
      /layer1\.q reads input at \[0, 0\], all groups, .* by way of layer1\.y, layer1\.s, .*: a leak$/,
    );
  });

  test("outputs that read to the right of their pixel", () => {
    const network = withMlp(s);
    const leaking = rewired(network, "head.outputs", (terms) => [...terms, taps(mapOf(network, "head.b"), [[0, 1]], "W")]);
    expect(refusal(leaking)).toBe(
      "expected outputs before their pixel but head.outputs reads head.b at [0, 1], all groups: a leak",
    );
  });

  test("the numbers of such a network do see what comes later", () => {
    const size = { ...s, height: 2, width: 3 };
    const shifted = diagonalBilstm(size);
    const leaking = rewired(shifted, "layer1.both", (terms) => terms.map((t) => (t.term === "plus" ? { ...t, at: [0, 0] } : t)));
    const found = lowered(leaking, size);
    expect(found).toEqual(measured(leaking, size));
    expect(found[0]![0]).toBe("x");
    expect(lowered(shifted, size)).toEqual(byHand(everythingBefore, size));
  });
});

describe("the own pixel's levels in the stream from the right", () => {
  const blind = (s: DraftSettings): Network =>
    rewired(diagonalBilstm(s), "layer1.rightGates", (terms) => terms.filter((t) => !("map" in t && t.map.name === "input")));
  const image = { ...GREY, height: 28, width: 28, firstKernel: 7 };

  test.each([1, 3])("without them 648 earlier pixels of 28x28 are missed after a first kernel of 7: %i layers", (depth) => {
    const s = settingsOf({ ...image, depth });
    const seen = lowered(blind(s), s);
    const missed = seen.flatMap((line, i) => [...line.slice(0, i)].flatMap((mark, j) => (mark === "." ? [[i, j] as const] : [])));
    // Of each row but the first, all but the last four columns miss the last pixel of the row above.
    expect(missed).toEqual(
      Array.from({ length: 27 * 24 }, (_, n) => {
        const [row, column] = [1 + Math.floor(n / 24), n % 24];
        return [row * 28 + column, row * 28 - 1];
      }),
    );
    expect(missed).toHaveLength(648);
  });

  test("with them none is", () => {
    const s = settingsOf({ ...image, depth: 1 });
    expect(lowered(diagonalBilstm(s), s)).toEqual(byHand(everythingBefore, s));
  });

  test("in colour only the last channel of that pixel is missed", () => {
    const s = settingsOf({ ...COLOUR, depth: 2, height: 3, width: 7 });
    const all = byHand(everythingBefore, s);
    const missed = lowered(blind(s), s).flatMap((line, i) =>
      [...line].flatMap((mark, j) => (mark === all[i]![j] ? [] : [[i, j]])),
    );
    // Of two rows, the columns that the first kernel of 3 leaves: 5 of 7, all three channels of each.
    expect(missed).toHaveLength(2 * 5 * 3);
    expect(new Set(missed.map(([, j]) => j! % 21))).toEqual(new Set([20]));
  });
});

describe("first values and shapes that the drafts ask for", () => {
  const s = settingsOf({ ...COLOUR, firstKernel: 5 });
  const shapesOf = (network: Network): Record<string, readonly number[]> =>
    Object.fromEntries(networkParameters(network).map(({ name, shape }) => [name, shape]));

  test("forget gates begin open: a bias of 1, the other gates' biases at zero", () => {
    const values = initialise(networkParameters(rowLstm(s)), randomFrom(1));
    for (const part of ["o", "f", "i", "g"])
      expect(new Set(values.get(`layer1.b_${part}`)!.data), part).toEqual(new Set([part === "f" ? 1 : 0]));
  });

  test("a position map has a number a feature and pixel, and begins at zero", () => {
    const specs = networkParameters(withPositions(s)).filter(({ name }) => name.includes("vertical.map"));
    expect(specs.map(({ name, shape, bound }) => [name, shape, bound])).toEqual([
      ["layer2.vertical.map_f", [5, 7, 6], 0],
      ["layer2.vertical.map_g", [5, 7, 6], 0],
    ]);
  });

  test("the nearest dozen places have a vector a level, those behind them weights, the own channels a table a group", () => {
    const shapes = shapesOf(withEmbeddedLevels(s));
    expect(shapes).toMatchObject({
      "layer1.vertical.E_f": [10, 3, 3, 6],
      "layer1.vertical.W_f": [5, 3, 6],
      "layer1.horizontal.E_g": [2, 3, 3, 6],
      "layer1.centre1.E_f": [1, 3, 2],
      "layer1.centre2.E_g": [2, 3, 2],
    });
    // Mask A leaves the first channel nothing; kernel 5 has no place to the left that is farther.
    expect(Object.keys(shapes).filter((name) => /layer1\.(centre0|horizontal\.W)/.test(name))).toEqual([]);
  });

  test("a mixture has coefficients of the channels before, so a channel has more outputs than the last", () => {
    const network = withMixture(s);
    expect(network.logWeights).toBe("logistic mixture");
    expect(shapesOf(network)).toMatchObject({
      "head.mixture0.W": [8, 3 * COMPONENTS],
      "head.mixture1.W": [16, 4 * COMPONENTS],
      "head.mixture2.W": [24, 5 * COMPONENTS],
      "head.mixture.b": [12 * COMPONENTS],
    });
    const outputs = outputsOf(network, s, randomWeights(network), randomLevels(s));
    expect(outputs.slice(0, 4).map((y) => y.length)).toEqual([6, 8, 10, 6]);
  });
});
