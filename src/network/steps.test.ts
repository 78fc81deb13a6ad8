/**
 * The step language itself: which offsets and groups a read sees, which parameters a list declares, and what it
 * refuses.
 */

import { describe, expect, test } from "vitest";
import { tensor } from "../tensor.ts";
import { networkParameters } from "./declarations.ts";
import { dependencies } from "./dependencies.ts";
import { naiveOutputs } from "./naive.test-support.ts";
import { schedule } from "./schedule.ts";
import {
  above,
  bias,
  buildNetwork,
  condition,
  embed,
  groupsSeen,
  here,
  left,
  type Mask,
  type NetworkBuilder,
  type Offset,
  plus,
  position,
  taps,
} from "./steps.ts";

const GREY = { channels: 1, levels: 4, condition: null };
const COLOUR = { channels: 3, levels: 4, condition: null };
const CONDITIONED = { ...COLOUR, condition: { width: 5, perPixel: false, map: [] } };

describe("offsets come farthest first: top first, then left first", () => {
  test("of a vertical stack's first layer, the rows above and not the own one", () => {
    expect(above(2, 3, 1, 1)).toEqual([
      ...[-2, -2, -2].map((down, m) => [down, m - 1]),
      ...[-1, -1, -1].map((down, m) => [down, m - 1]),
    ]);
  });

  test("of its later layers, the own row last", () => {
    expect(above(2, 3)).toEqual([
      [-1, -1],
      [-1, 0],
      [-1, 1],
      [0, -1],
      [0, 0],
      [0, 1],
    ]);
  });

  test("dilated, from the own row on and to each side", () => {
    expect(above(2, 3, 4)).toEqual([
      [-4, -4],
      [-4, 0],
      [-4, 4],
      [0, -4],
      [0, 0],
      [0, 4],
    ]);
  });

  test("dilated and masked, the last row as far above as rows are apart", () => {
    expect(above(2, 1, 3, 3)).toEqual([
      [-6, 0],
      [-3, 0],
    ]);
  });

  test("of a row, the pixel beside the own one last", () => {
    expect(left(3)).toEqual([
      [0, -3],
      [0, -2],
      [0, -1],
    ]);
    expect(left(2, 4)).toEqual([
      [0, -8],
      [0, -4],
    ]);
    expect(left(0)).toEqual([]);
  });
});

describe("what a group of three sees", () => {
  const map = buildNetwork(COLOUR).declare("x", { features: 6 });
  const seen = (mask: Mask | "own", offset: Offset): string[] =>
    [0, 1, 2].map((c) => {
      const [first, end] = groupsSeen({ map, at: [offset], mask }, offset, c);
      return [0, 1, 2].filter((e) => e >= first && e < end).join("");
    });

  test.each([
    ["A", ["", "0", "01"]],
    ["B", ["0", "01", "012"]],
    ["all", ["012", "012", "012"]],
    ["own", ["0", "1", "2"]],
  ] as const)("at the pixel itself by mask %s", (mask, groups) => {
    expect(seen(mask, [0, 0])).toEqual(groups);
  });

  test.each([[-1, 0] as const, [0, -1] as const, [0, 1] as const, [-2, 3] as const])(
    "at [%i, %i] all groups, which are finished, whatever the mask; elementwise its own",
    (down, right) => {
      for (const mask of ["A", "B", "all"] as const) expect(seen(mask, [down, right])).toEqual(["012", "012", "012"]);
      expect(seen("own", [down, right])).toEqual(["0", "1", "2"]);
    },
  );

  test("of a map of one group that one", () => {
    const whole = buildNetwork(COLOUR).declare("x", { features: 6, groups: 1 });
    for (const mask of ["A", "B", "all", "own"] as const)
      for (const c of [0, 1, 2]) expect(groupsSeen({ map: whole, at: [[0, 0]], mask }, [0, 0], c)).toEqual([0, 1]);
  });
});

describe("a term that sees nothing is left out, and has no parameter", () => {
  test.each([
    ["mask A of one channel", (net: NetworkBuilder) => here(net.input, "A", "W{c}")],
    ["mask A of one channel by level", (net: NetworkBuilder) => embed(net.input, [[0, 0]], "A", "E{c}")],
    ["no pixel to the left", (net: NetworkBuilder) => taps(net.input, left(0), "W", { axes: [0] })],
    ["no level to the left", (net: NetworkBuilder) => embed(net.input, left(0), "all", "E")],
    ["the condition of a model that has none", () => condition("V")],
  ])("%s", (_, term) => {
    const net = buildNetwork(GREY);
    const network = net.finish(net.sum("y", { features: 4 }, [bias("b"), term(net)]));
    expect(networkParameters(network).map(({ name }) => name)).toEqual(["b"]);
  });
});

describe("parameters are declared by the terms that own them", () => {
  /** One row step of parts f and g, one pixel step, outputs. */
  const tiny = (order: readonly (string | readonly string[])[] = []) => {
    const net = buildNetwork(CONDITIONED);
    const row = net.sum("row", { features: 2, groups: 1, parts: ["f", "g"] }, [
      bias("row.b", [], { g: 0.5 }),
      condition("row.V"),
      position("row.map", { height: 4, width: 7 }),
      embed(net.input, above(1, 3, 1, 1), "all", "row.E"),
      taps(net.input, above(1, 3, 1, 2), "row.W", { axes: [1, 3] }),
    ]);
    const pixel = net.sum("pixel", { features: 6 }, [
      bias("pixel.b"),
      here(row, "all", "link.W", { gain: 0.7 }),
      embed(net.input, [[0, 0]], "A", "own{c}.E"),
      here(net.input, "A", "own{c}.W", { fan: 12 }),
    ]);
    const outputs = net.sum("outputs", { features: [4, 8, 4] }, [
      bias("out.b"),
      here(pixel, "B", "out{c}.W", { gain: 0 }),
    ]);
    return networkParameters(net.finish(outputs, { order }));
  };
  const unit = (fan: number): number => Math.sqrt(3 / fan);

  test("name, shape, and the bound of first values, which counts on the inputs that a sum adds up", () => {
    expect(tiny().map(({ name, shape, bound }) => [name, shape, bound])).toEqual([
      ["row.b_f", [2], 0],
      ["row.b_g", [2], 0],
      ["row.V_f", [5, 2], unit(5)],
      ["row.V_g", [5, 2], unit(5)],
      ["row.map_f", [4, 7, 2], 0],
      ["row.map_g", [4, 7, 2], 0],
      // Of a table's rows one per place and channel is added.
      ["row.E_f", [3, 3, 4, 2], unit(9)],
      ["row.E_g", [3, 3, 4, 2], unit(9)],
      ["row.W_f", [1, 3, 3, 2], unit(9)],
      ["row.W_g", [1, 3, 3, 2], unit(9)],
      ["pixel.b", [6], 0],
      // Both parts of the row step.
      ["link.W", [4, 6], 0.7 * unit(4)],
      ["own1.E", [1, 4, 2], unit(3)],
      ["own2.E", [2, 4, 2], unit(3)],
      ["own1.W", [1, 2], unit(12)],
      ["own2.W", [2, 2], unit(12)],
      ["out.b", [16], 0],
      ["out0.W", [2, 4], 0],
      ["out1.W", [4, 8], 0],
      ["out2.W", [6, 4], 0],
    ]);
  });

  test("biases do not decay, and begin at what their term says; parts that lie side by side are joined", () => {
    const specs = new Map(tiny().map((spec) => [spec.name, spec]));
    expect(specs.get("row.b_f")).toEqual({ name: "row.b_f", shape: [2], bound: 0, decays: false, joined: "row.b" });
    expect(specs.get("row.b_g")).toEqual({ ...specs.get("row.b_f"), name: "row.b_g", start: 0.5 });
    expect(specs.get("row.E_g")).toMatchObject({ decays: true, joined: "row.E" });
    expect(specs.get("own1.W")).not.toHaveProperty("joined");
  });

  test(
    "the order is the network's: names that go by turns part after part, those not listed behind, as " + "declared",
    () => {
      const names = tiny(["out{c}.W", ["row.W", "row.b"], "out.b"]).map(({ name }) => name);
      expect(names.slice(0, 9)).toEqual([
        ...["out0.W", "out1.W", "out2.W"],
        ...["row.W_f", "row.b_f", "row.W_g", "row.b_g"],
        ...["out.b", "row.V_f"],
      ]);
      expect(names.toSorted()).toEqual(
        tiny()
          .map(({ name }) => name)
          .toSorted(),
      );
    },
  );

  test("layers of m(h) come first", () => {
    const map = [{ name: "map.layer1.W", shape: [4, 4, 2, 5], fan: 8 }];
    const net = buildNetwork({ ...GREY, condition: { width: 5, perPixel: true, map } });
    const network = net.finish(net.sum("y", { features: 4 }, [bias("b"), condition("V")]), { order: ["V", "b"] });
    expect(networkParameters(network).map(({ name, bound }) => [name, bound])).toEqual([
      ["map.layer1.W", unit(8)],
      ["V", unit(5)],
      ["b", 0],
    ]);
  });
});

describe("a list that does not say what it means is refused in words", () => {
  const grey = buildNetwork(GREY);
  const colour = buildNetwork(COLOUR);
  const one = grey.sum("one", { features: 2 }, [bias("b")]);
  const wide = colour.declare("wide", { features: 6, groups: 2 });
  const uneven = colour.declare("uneven", { features: [1, 2, 3] });

  test.each<[what: string, list: () => unknown, words: string]>([
    [
      "a map's name twice",
      () => grey.sum("one", { features: 2 }, []),
      "expected a new name for a map but received one twice",
    ],
    [
      "a map named as the input",
      () => grey.relu("input", one),
      "expected a new name for a map but received input twice",
    ],
    [
      "a map made twice",
      () => grey.blend(one, half(grey), [-1, 0]),
      "expected one step to make the map one but received two",
    ],
    [
      "features that groups do not divide",
      () => colour.declare("seven", { features: 7 }),
      "expected features in 3 equal groups for the map seven but received 7",
    ],
    [
      "features of too few groups",
      () => colour.declare("two", { features: [4, 4] }),
      "expected the features of 3 groups for the map two but received 2 numbers",
    ],
    ["a gate of one part", () => grey.gate("gate", one), "expected parts f, g for the map one but received none"],
    [
      "a cell of a blend's parts",
      () => grey.cell(grey.declare("cell", { features: 2 }), half(grey), [-1, 0]),
      "expected parts o, f, i, g for the map half2 but received z, c",
    ],
    [
      "a state of other features than its parts",
      () => grey.blend(grey.declare("state", { features: 3 }), half(grey), [-1, 0]),
      "expected 2 features in 1 groups for the state state",
    ],
    [
      "a sum of maps that differ",
      () => grey.sum("sum1", { features: 3 }, [plus(one)]),
      "expected the features and parts of sum1 in the sum sum1 but received those of one",
    ],
    [
      "a mask between other groups",
      () => colour.sum("sum2", { features: 3 }, [here(wide, "B", "W{c}")]),
      "expected 3 groups of wide in the sum sum2 but received 2",
    ],
    [
      "one matrix for all groups under a mask, which would hide some of its numbers",
      () => colour.sum("sum3", { features: 3 }, [here(colour.input, "A", "W")]),
      "expected one offset and one matrix a group for the mask A over input in the sum sum3",
    ],
    [
      "a table for what has no levels",
      () => grey.sum("sum4", { features: 3 }, [embed(one, [[-1, 0]], "all", "E")]),
      "expected levels of the image in the sum sum4 but received one",
    ],
    [
      "a read of outputs that differ by channel",
      () => colour.sum("sum5", { features: 3 }, [here(uneven, "all", "W")]),
      "expected no read of uneven in the sum sum5: its groups differ in size",
    ],
  ])("%s", (_, list, words) => {
    expect(list).toThrow(words);
  });

  let halves = 0;
  /** A map of parts z and c. */
  const half = (net: NetworkBuilder) =>
    net.sum(`half${++halves}`, { features: 2, parts: ["z", "c"] }, [bias("half.b")]);

  /** A network of one sum of these terms, behind a ReLU of it. */
  const networkOf = (terms: Parameters<NetworkBuilder["sum"]>[2], net = buildNetwork(GREY)) =>
    net.finish(net.relu("y", net.sum("x", { features: 3 }, terms)));

  test("a parameter of two terms", () => {
    const net = buildNetwork(GREY);
    const network = networkOf([taps(net.input, left(1), "W"), taps(net.input, [[-1, 0]], "W")], net);
    expect(() => networkParameters(network)).toThrow("expected one term to declare the parameter W but received two");
  });

  test("axes that are not the offsets", () => {
    const net = buildNetwork(GREY);
    const network = networkOf([taps(net.input, left(2), "W", { axes: [3] })], net);
    expect(() => networkParameters(network)).toThrow("expected axes of 2 offsets for the parameter W but received [3]");
  });

  test("a map that nothing makes", () => {
    const net = buildNetwork(GREY);
    const network = networkOf([bias("b"), here(net.declare("state", { features: 3 }), "all", "W")], net);
    expect(() => schedule(network)).toThrow("expected a step that makes the map state but found none");
    expect(() => dependencies(network, { height: 1, width: 1 })).toThrow(
      "expected a step that makes the map state but found none",
    );
  });

  test("a map that waits for itself", () => {
    const net = buildNetwork(GREY);
    const state = net.declare("state", { features: 2 });
    const parts = net.sum("parts", { features: 2, parts: ["z", "c"] }, [bias("b"), here(state, "all", "W")]);
    const network = net.finish(net.blend(state, parts, [-1, 0]));
    expect(() => dependencies(network, { height: 1, width: 1 })).toThrow(
      "expected steps without a circle but parts waits for itself",
    );
  });

  test("reading below", () => {
    const net = buildNetwork(GREY);
    const network = networkOf([bias("b"), taps(net.input, [[1, 0]], "W")], net);
    expect(() => schedule(network)).toThrow("expected offsets of rows above but input is read 1 rows below");
  });

  test("outputs without a group for each channel, and a pixel step without", () => {
    const net = buildNetwork(COLOUR);
    const row = net.sum("row", { features: 3, groups: 1 }, [taps(net.input, above(1, 1, 1, 1), "W")]);
    expect(() => schedule(net.finish(row))).toThrow("expected outputs in 3 groups, one a channel, but received 1");
    const pixel = net.sum("pixel", { features: 3, groups: 1 }, [taps(net.input, left(1), "left.W")]);
    const outputs = net.sum("outputs", { features: 3 }, [taps(pixel, left(1), "out.W")]);
    expect(() => schedule(net.finish(outputs))).toThrow(
      "expected one group a channel for pixel, which runs pixel by pixel, but received 1",
    );
  });
});

describe("recurrent and learned terms compute what they say, by hand on three pixels", () => {
  const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
  const values = (entries: Record<string, readonly number[]>) =>
    new Map(
      Object.entries(entries).map(
        ([name, data]) => [name, tensor("float64", [data.length, 1], Float64Array.from(data))] as const,
      ),
    );
  /** Levels 0, 3, 2 of 4 are -1, 1, 1/3 to a product. */
  const pixels = [0, 3, 2];
  const scaled = pixels.map((level) => (2 * level) / 3 - 1);

  test("an LSTM cell along a row: the memory comes from the left, the output gate stands before its tanh", () => {
    const net = buildNetwork(GREY);
    const gates = net.sum("gates", { features: 1, parts: ["o", "f", "i", "g"] }, [
      bias("b"),
      here(net.input, "all", "W"),
    ]);
    const network = net.finish(net.cell(net.declare("state", { features: 1 }), gates, [0, -1]));
    const [b, w] = [
      [0.1, 1, -0.2, 0.3],
      [0.5, -0.4, 0.7, -0.9],
    ];
    const parameters = values(
      Object.fromEntries(
        ["o", "f", "i", "g"].flatMap((part, p) => [
          [`b_${part}`, [b[p]!]],
          [`W_${part}`, [w[p]!]],
        ]),
      ),
    );
    let memory = 0;
    const expected = scaled.map((x) => {
      const [o, f, i, g] = b.map((start, p) => start + w[p]! * x) as [number, number, number, number];
      memory = logistic(f) * memory + logistic(i) * Math.tanh(g);
      return logistic(o) * Math.tanh(memory);
    });
    expectClose(naiveOutputs(network, parameters, { height: 1, width: 3, pixels }).flat(), expected);
  });

  test("a blend down a column: what was before by z, the new by 1 - z", () => {
    const net = buildNetwork(GREY);
    const parts = net.sum("parts", { features: 1, parts: ["z", "c"] }, [here(net.input, "all", "W")]);
    const network = net.finish(net.blend(net.declare("state", { features: 1 }), parts, [-1, 0]));
    let state = 0;
    const expected = scaled.map((x) => {
      const z = logistic(0.8 * x);
      state = z * state + (1 - z) * Math.tanh(-1.5 * x);
      return state;
    });
    const parameters = values({ W_z: [0.8], W_c: [-1.5] });
    expectClose(naiveOutputs(network, parameters, { height: 3, width: 1, pixels }).flat(), expected);
  });

  test("a level by embedding picks its row of the table, nothing outside the image; a position its own number", () => {
    const net = buildNetwork(GREY);
    const network = net.finish(
      net.sum("y", { features: 1 }, [position("map", { height: 1, width: 3 }), embed(net.input, left(2), "all", "E")]),
    );
    // Rows of E: two to the left, levels 0 .. 3; then one to the left.
    const parameters = values({ map: [100, 200, 300], E: [1, 2, 3, 4, 10, 20, 30, 40] });
    expectClose(naiveOutputs(network, parameters, { height: 1, width: 3, pixels }).flat(), [100, 210, 341]);
  });

  /** float64 sums of a few numbers. */
  function expectClose(found: readonly number[], expected: readonly number[]): void {
    expect(found).toHaveLength(expected.length);
    for (const [i, y] of expected.entries())
      expect(Math.abs(found[i]! - y)).toBeLessThan(1e-14 * Math.max(1, Math.abs(y)));
  }
});
