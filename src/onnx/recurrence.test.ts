/**
 * Recurrences in waves: which pixels go together, what is refused, and that states are those of a loop over pixels. The
 * derivative's rule is tested in autodiff/rules.test.ts.
 */

import { describe, expect, test } from "vitest";
import { randomFrom } from "../random.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../tensor.ts";
import { evaluate, numbers } from "./evaluate.test-support.ts";
import { Graph } from "./graph.ts";
import { type Recurrence, recurrence, wavesOf } from "./recurrence.ts";

const size = { height: 3, width: 4 };
/** The states above, as wide as a kernel of 3. */
const rows: Recurrence = {
  ...size,
  reads: [
    [-1, -1],
    [-1, 0],
    [-1, 1],
  ],
  from: [-1, 0],
  cell: "lstm",
};
const fromLeft: Recurrence = {
  ...size,
  reads: [
    [-1, 0],
    [0, -1],
  ],
  from: [0, -1],
  cell: "lstm",
};
const fromRight: Recurrence = {
  ...size,
  reads: [
    [-1, 0],
    [0, 1],
  ],
  from: [0, 1],
  cell: "lstm",
};

describe("waves", () => {
  test("are the rows where all that is read lies in the row above, so the positions stay in order", () => {
    const waves = wavesOf(rows);
    expect(waves.positions).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9, 10, 11],
    ]);
    expect(waves.inOrder).toBe(true);
    // A place of the wave before for each read of each pixel; 4 is outside.
    expect([...waves.reads(1)]).toEqual([4, 0, 1, 0, 1, 2, 1, 2, 3, 2, 3, 4]);
    expect([...waves.from(2)]).toEqual([0, 1, 2, 3]);
  });

  test("are the diagonals from the upper left where a pixel reads the one on its left", () => {
    const waves = wavesOf(fromLeft);
    expect(waves.positions).toEqual([[0], [1, 4], [2, 5, 8], [3, 6, 9], [7, 10], [11]]);
    expect(waves.inOrder).toBe(false);
    // Pixels 2, 5, 8 read 1, 4 above (the first has no row above) and 1, 4, outside on the left.
    expect([...waves.reads(2)]).toEqual([2, 0, 0, 1, 1, 2]);
    expect([...waves.from(2)]).toEqual([0, 1, 2]);
  });

  test("are the diagonals from the upper right where a pixel reads the one on its right", () => {
    const waves = wavesOf(fromRight);
    expect(waves.positions).toEqual([[3], [2, 7], [1, 6, 11], [0, 5, 10], [4, 9], [8]]);
    expect([...waves.reads(1)]).toEqual([1, 0, 0, 1]);
    expect([...waves.from(5)]).toEqual([1]);
  });

  test("are one, the only row, where the image has one; a pixel each where it reads its neighbour", () => {
    const row = { height: 1, width: 4 };
    expect(wavesOf({ ...rows, ...row }).positions).toEqual([[0, 1, 2, 3]]);
    expect(wavesOf({ ...fromLeft, ...row }).positions).toEqual([[0], [1], [2], [3]]);
    expect(wavesOf({ ...fromRight, ...row }).positions).toEqual([[3], [2], [1], [0]]);
  });

  test("of the first pixels read nothing but what is outside", () => {
    for (const settings of [rows, fromLeft, fromRight]) {
      const waves = wavesOf(settings);
      expect(new Set([...waves.reads(0), ...waves.from(0)])).toEqual(new Set([0]));
    }
  });

  test.each<[string, Recurrence, string]>([
    ["two rows up", { ...rows, reads: [[-2, 0]] }, "[-2, 0]"],
    ["two columns to the left", { ...fromLeft, reads: [[0, -2]] }, "[0, -2]"],
    ["up and left of a diagonal", { ...fromLeft, reads: [[-1, -1]] }, "[-1, -1]"],
    ["up and right of a diagonal, the same wave", { ...fromLeft, reads: [[-1, 1]] }, "[-1, 1]"],
    ["to the left where the stream comes from the right", { ...fromRight, from: [0, -1] }, "[0, -1]"],
    ["a memory two rows up", { ...rows, from: [-2, 0] }, "[-2, 0]"],
    ["the pixel itself", { ...rows, reads: [[0, 0]] }, "[0, 0]"],
  ])("that would not be the one before are refused: %s", (_, settings, offset) => {
    const P = settings.height * settings.width;
    const graph = new Graph("test");
    const a = graph.input("a", "float64", [P, 8]);
    const w = graph.input("w", "float64", [settings.reads.length * 2, 8]);
    expect(() => recurrence(a, w, settings)).toThrow(
      `expected states of the wave before but offset ${offset} reads another`,
    );
  });
});

function random(shape: Shape, seed: number): Tensor<"float64"> {
  const draw = randomFrom(seed);
  return tensor(
    "float64",
    shape,
    Float64Array.from({ length: sizeOf(shape) }, () => 3 * draw.uniform() - 1.5),
  );
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** States [B P F] by asking each pixel for those that it reads. */
function byHand(a: ArrayLike<number>, w: ArrayLike<number> | null, batch: number, F: number, s: Recurrence): number[] {
  const { height, width, reads, from, cell } = s;
  const parts = cell === "lstm" ? 4 : 2;
  const known = new Map<number, { state: number[]; memory: number[] }>();
  const at = (b: number, i: number, j: number): { state: number[]; memory: number[] } => {
    if (i < 0 || j < 0 || i >= height || j >= width)
      return { state: new Array(F).fill(0), memory: new Array(F).fill(0) };
    const place = (b * height + i) * width + j;
    const found = known.get(place);
    if (found) return found;
    const seen = w ? reads.flatMap(([down, right]) => at(b, i + down, j + right).state) : [];
    const before = at(b, i + from[0], j + from[1]).memory;
    const gate = (part: number, f: number): number =>
      seen.reduce((sum, x, r) => sum + x * w![(r * parts + part) * F + f]!, a[(place * parts + part) * F + f]!);
    const pairs = Array.from({ length: F }, (_, f): [state: number, memory: number] => {
      if (cell === "blend") {
        const z = sigmoid(gate(0, f));
        const m = z * before[f]! + (1 - z) * Math.tanh(gate(1, f));
        return [m, m];
      }
      const m = sigmoid(gate(1, f)) * before[f]! + sigmoid(gate(2, f)) * Math.tanh(gate(3, f));
      return [sigmoid(gate(0, f)) * Math.tanh(m), m];
    });
    const made = { state: pairs.map(([state]) => state), memory: pairs.map(([, memory]) => memory) };
    known.set(place, made);
    return made;
  };
  return Array.from({ length: batch * height * width }, (_, p) => {
    const [b, q] = [Math.floor(p / (height * width)), p % (height * width)];
    return at(b, Math.floor(q / width), q % width).state;
  }).flat();
}

describe("states are those of a loop over pixels", () => {
  const F = 2;
  const images = 2;
  const directions: [string, Recurrence][] = [
    ["rows", rows],
    ["rows of one image row", { ...rows, height: 1 }],
    ["from the left", fromLeft],
    ["from the right", fromRight],
    ["from the right, one column", { ...fromRight, width: 1 }],
  ];
  test.each(directions)("%s: an LSTM and a blend, with states read and without", async (_, settings) => {
    for (const cell of ["lstm", "blend"] as const) {
      const parts = cell === "lstm" ? 4 : 2;
      const a = random([images * settings.height * settings.width, parts * F], 1);
      const w = random([settings.reads.length * F, parts * F], 2);
      const alone = { ...settings, cell, reads: [] };
      const { read, unread } = await evaluate(
        (graph) => {
          const gates = graph.input("a", "float64", a.shape);
          const weights = graph.input("w", "float64", w.shape);
          return { read: recurrence(gates, weights, { ...settings, cell }), unread: recurrence(gates, null, alone) };
        },
        { a, w },
      );
      for (const [found, expected] of [
        [read, byHand(a.data, w.data, images, F, { ...settings, cell })],
        [unread, byHand(a.data, null, images, F, alone)],
      ] as const) {
        expect(found!.shape).toEqual([a.shape[0], F]);
        numbers(found!).forEach((x, i) => {
          expect(x).toBeCloseTo(expected[i]!, 12);
        });
      }
    }
  });
});
