/**
 * The step language can say what comes next: drafts of options of the gated network. What each
 * can see is held against a closed form written without its list, and against numbers that change.
 */

import { describe, expect, test } from "vitest";
import { tensor } from "../tensor.ts";
import { networkParameters } from "./declarations.ts";
import { type DraftSettings, rowRecurrent, withEmbeddedLevels, withMlp, withPositions } from "./drafts.test-support.ts";
import { schedule, WHEN } from "./schedule.ts";
import {
  lowered,
  mapOf,
  measured,
  outputsOf,
  picture,
  randomLevels,
  randomWeights,
  refusal,
  rewired,
  times,
} from "./sights.test-support.ts";
import { type Network, taps } from "./steps.ts";

/**
 * A sub-pixel, from where another looks: rows up, columns to the right, its own channel and that of the one that looks.
 */
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

/**
 * The rectangle, and above it every row as wide as one layer less sees, since all layers but the first go down their
 * column.
 */
const columnField =
  (s: DraftSettings): Sees =>
  (at) =>
    gatedField(s)(at) || (at.up > 0 && Math.abs(at.right) <= reachOf(s, s.depth - 1));

interface Draft {
  readonly name: string;
  readonly network: (settings: DraftSettings) => Network;
  readonly changes?: Partial<DraftSettings>;
  readonly field: (settings: DraftSettings) => Sees;
}

const DRAFTS: readonly Draft[] = [
  { name: "gated, down the columns", network: rowRecurrent, field: columnField },
  { name: "gated, with a position map", network: withPositions, field: gatedField },
  { name: "gated, levels by embedding", network: withEmbeddedLevels, field: gatedField, changes: { firstKernel: 5 } },
  { name: "gated, an MLP behind the gate", network: withMlp, field: gatedField },
];

const GREY = { channels: 1, levels: 4, features: 4, hidden: 12, condition: null };
// Wide heads: no ReLU closes all of a group's features.
const COLOUR = { channels: 3, levels: 3, features: 6, hidden: 24, condition: 2 };
const SIZES = [
  { height: 5, width: 7 },
  { height: 1, width: 7 },
  { height: 6, width: 1 },
];

const settingsOf = (of: Partial<DraftSettings> = {}): DraftSettings => ({
  height: 5,
  width: 7,
  depth: 2,
  firstKernel: 3,
  kernel: 3,
  ...GREY,
  ...of,
});

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
        const reads = step.terms
          .filter((t) => t.term === "read" || t.term === "embed")
          .map((t) => WHEN.indexOf(term(t)));
        expect(reads, step.out.name).toEqual(reads.toSorted((a, b) => a - b));
      }
    });
  });
});

describe("when a step runs follows from what it reads", () => {
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
    const plain = times(withMlp(s));
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

describe.each([
  ["grey", GREY],
  ["three channels", COLOUR],
])("a leak is refused, and the step that leaks is named: %s", (_, kind) => {
  const s = settingsOf({ ...kind, depth: 1 });
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
    const leaking = rewired(network, "head.outputs", (terms) => [
      ...terms,
      taps(mapOf(network, "head.b"), [[0, 1]], "W"),
    ]);
    expect(refusal(leaking)).toBe(
      "expected outputs before their pixel but head.outputs reads head.b at [0, 1], all groups: a leak",
    );
  });
});

describe("first values and shapes that the drafts ask for", () => {
  const s = settingsOf({ ...COLOUR, firstKernel: 5 });
  const shapesOf = (network: Network): Record<string, readonly number[]> =>
    Object.fromEntries(networkParameters(network).map(({ name, shape }) => [name, shape]));

  test("a position map has a number a feature and pixel, and begins at zero", () => {
    const specs = networkParameters(withPositions(s)).filter(({ name }) => name.includes("vertical.map"));
    expect(specs.map(({ name, shape, bound }) => [name, shape, bound])).toEqual([
      ["layer2.vertical.map_f", [5, 7, 6], 0],
      ["layer2.vertical.map_g", [5, 7, 6], 0],
    ]);
  });

  test(
    "the nearest dozen places have a vector a level, those behind them weights, the own channels a table a " + "group",
    () => {
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
    },
  );
});
