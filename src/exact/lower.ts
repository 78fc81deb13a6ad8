/**
 * The exact lowering: a network's steps as the calls that the kernel runs, in order, with their weights packed. What
 * reads only rows above runs a row at a time, the rest pixel by pixel and channel group by channel group
 * (network/schedule.ts). Depends on no image size. docs/determinism.md fixes the order of each sum; the order of a
 * step's terms is that order.
 */

import { fail } from "../errors.ts";
import { isGrouped, nameFor } from "../network/declarations.ts";
import {
  type FeatureMap,
  featuresBefore,
  featuresOf,
  groupsSeen,
  type LogWeights,
  type Network,
  type Step,
  type Weights,
  widthOf,
} from "../network/steps.ts";
import { sizeOf } from "../tensor.ts";
import {
  type Call,
  CONDITION,
  type ConditionedSum,
  type FirstCall,
  type Place,
  type PlacedSegment,
  type PositionedSum,
  type RowCall,
  type Walk,
} from "./call.ts";
import { checkTerms } from "./check-terms.ts";
import { binEdges } from "./descriptions.ts";
import { type Buffer, type Cell, findHomes, type ReadTerm, type Sum } from "./homes.ts";
import { type Block, createPacker, padded } from "./pack.ts";

export interface Lowered {
  /** Buffer 0 holds the pixels. */
  readonly buffers: readonly Buffer[];
  /** Before a row's first pixel: runs of calls that any columns of the row can go through together. */
  readonly row: readonly (readonly RowCall[])[];
  /** Pixel by pixel and group by group; of known images, walk after walk. */
  readonly pixel: readonly Walk[];
  /** When a row ends. */
  readonly finished: readonly Walk[];
  readonly conditioned: readonly ConditionedSum[];
  readonly positioned: readonly PositionedSum[];
  /** Where the K log-weights of each channel come out. */
  readonly logits: readonly Place[];
  /** All weights and biases. */
  readonly data: Float32Array;
}

/** The steps from outputs to log-weights that the engine has, by the name that a head gives. */
const LOG_WEIGHTS: readonly LogWeights[] = ["outputs", "logistic mixture"];

/** Lowers the steps of a network whose parameters `get` gives. */
export function lower(network: Network, get: (name: string) => Float32Array): Lowered {
  const { steps, channels: C, outputs } = network;
  if (!LOG_WEIGHTS.includes(network.logWeights))
    fail(
      "internal",
      `expected a head that the exact engine has (${LOG_WEIGHTS.join(", ")}) but received ${network.logWeights}`,
    );
  const homes = findHomes(network);
  const { schedule, merged, fused } = homes;
  const { pack, append, data } = createPacker();
  const runs: RowCall[][] = [[]];
  const walks: Record<"pixel" | "finished", { scan: -1 | 0 | 1; steps: Call[][] }[]> = { pixel: [], finished: [] };
  const conditioned: ConditionedSum[] = [];
  const positioned: PositionedSum[] = [];
  const groups = Array.from({ length: C }, (_, c) => c);

  const placeOf = (map: FeatureMap, c = 0, [down, right]: readonly [number, number] = [0, 0]): Place => {
    const { buffer, group, offset } = homes.of(map);
    return { buffer, at: c * group + offset, down, right };
  };
  const suffixes = ({ parts }: FeatureMap): string[] => (parts.length > 0 ? parts.map((part) => `_${part}`) : [""]);
  /** Numbers of one group of a map's vector, padded. */
  const outputsOf = (map: FeatureMap, c = 0): number =>
    Math.max(1, map.parts.length) * (map.shares ? padded(featuresOf(map, c)) : homes.of(map).part);

  /**
   * One term's weights [rows, columns] in a product to `out`: of group c alone, or of all groups (null) as they lie in
   * the map's buffer. `base` is where the map begins in the product's outputs.
   */
  function blocks(by: Weights, out: FeatureMap, c: number | null, input: number, base = 0): Block[] {
    const { part, group } = homes.of(out);
    const each = featuresOf(out, c ?? 0);
    return suffixes(out).flatMap((suffix, p): Block[] => {
      if (isGrouped(by)) {
        const matrix = get(`${nameFor(by.name, c!)}${suffix}`);
        return [{ from: matrix, columns: each, first: 0, count: each, input, output: base + p * part }];
      }
      const matrix = { from: get(`${by.name}${suffix}`), columns: out.features, count: each, input };
      if (out.shares && c === null) fail("internal", `expected ${out.name} group by group: its groups differ in size`);
      if (c !== null) return [{ ...matrix, first: featuresBefore(out, c), output: base + p * part }];
      return Array.from({ length: out.groups }, (_, g) => ({
        ...matrix,
        first: g * each,
        output: base + g * group + p * part,
      }));
    });
  }

  /** What group c reads by a term, in the order of the term's weights. */
  function segmentsOf(term: ReadTerm, c: number): PlacedSegment[] {
    const { map, at } = term;
    const { part } = homes.of(map);
    const parts = Math.max(1, map.parts.length);
    const each = map.features / map.groups;
    if (isGrouped(term.by) && parts > 1) fail("internal", `expected no mask over the parts of ${map.name}`);
    const segments: PlacedSegment[] = [];
    for (const offset of at) {
      const [first, end] = groupsSeen(term, offset, c);
      for (let p = 0; p < parts; p++)
        for (let g = first; g < end; g++) {
          const place = placeOf(map, g, offset);
          const next = { ...place, at: place.at + p * part, inputs: each };
          const last = segments.at(-1);
          // Numbers that follow each other are one segment.
          if (last && last.down === next.down && last.right === next.right && last.at + last.inputs === next.at)
            segments[segments.length - 1] = { ...last, inputs: last.inputs + each };
          else segments.push(next);
        }
    }
    return segments;
  }

  /** Adds a step's calls to a walk, and says where. */
  function addToWalk(when: "pixel" | "finished", scan: -1 | 0 | 1, calls: Call[]): readonly [number, number] {
    const list = walks[when];
    if (list.at(-1)?.scan !== scan) list.push({ scan, steps: [] });
    return [list.length - 1, list.at(-1)!.steps.push(calls) - 1];
  }

  /** The cell that a sum's gates are for, and how it walks. */
  const cellOf = (gates: FeatureMap): Cell | undefined =>
    steps.find((s): s is Cell => s.step === "cell" && s.of === gates);
  function scanOf(cell: Cell): -1 | 0 | 1 {
    const gates = steps.find((s): s is Sum => s.step === "sum" && s.out === cell.of);
    const beside = [
      cell.from,
      ...(gates?.terms ?? []).flatMap((t) => (t.term === "read" && t.map === cell.out ? t.at : [])),
    ];
    const own = beside.find(([down]) => down === 0);
    return own === undefined ? 0 : own[1] < 0 ? 1 : -1;
  }

  /**
   * A row call joins the run, unless it reads what the run makes at another column, or begins with a condition where
   * the run has something already.
   */
  function addToRow(call: Call, { condition = false, begins = false } = {}): readonly [number, number] {
    const made = new Set(runs.at(-1)!.map((other) => other.call.out.buffer));
    const reads = call.call === "product" ? [...call.segments, ...(call.start ? [call.start] : [])] : [call.of];
    const elsewhere = reads.some(({ buffer, down, right }) => down === 0 && right !== 0 && made.has(buffer));
    if (elsewhere || (begins && made.has(call.out.buffer))) runs.push([]);
    runs.at(-1)!.push({ call, condition });
    return [runs.length - 1, runs.at(-1)!.length - 1];
  }

  function addSum(sum: Sum): void {
    const sums = merged.get(sum) ?? [sum];
    const { out, terms } = sum;
    const reads = terms.filter((t): t is ReadTerm => t.term === "read");
    checkTerms(sum);
    const when = schedule.of(out);
    // What begins with another map's pixel cannot begin with its row.
    const begin = terms.find((t) => t.term === "plus");
    const early = when === "finished" || (begin && schedule.term(begin) !== "row");
    const rowReads = early ? [] : reads.filter((t) => schedule.term(t) === "row");
    const pixelReads = reads.filter((t) => !rowReads.includes(t));
    if (rowReads.some((t, i) => reads[i] !== t || isGrouped(t.by)))
      fail("internal", `expected unmasked reads of rows above, before those of the own row, in the sum ${out.name}`);
    const condition = terms.find((t) => t.term === "condition");
    const begins = placeOf(out);
    const whole = homes.of(out).group * (out.groups - 1) + outputsOf(out);
    const relu = fused.has(sum);

    const biases = (c: number | null): Block[] => {
      let base = 0;
      return sums.flatMap(({ out: each, terms: own }) => {
        const bias = own.find((t) => t.term === "bias");
        const found = bias ? blocks(bias.by, each, c, 0, base) : [];
        base += outputsOf(each);
        return found;
      });
    };
    const weights = (of: readonly ReadTerm[], c: number | null): { inputs: number; blocks: Block[] } => {
      let inputs = 0;
      const all = of.flatMap((term) => {
        const rows = rowsOf(term, c ?? 0);
        if (rows === 0) return []; // Mask A leaves the first group nothing.
        let base = 0;
        const at = inputs;
        const found = sums.flatMap((each) => {
          const same =
            each === sum ? term : each.terms.filter((t): t is ReadTerm => t.term === "read")[reads.indexOf(term)]!;
          const list = blocks(same.by, each.out, c, at, base);
          base += outputsOf(each.out);
          return list;
        });
        inputs += rows;
        return found;
      });
      return { inputs, blocks: all };
    };
    /** One product of some reads: of group c, or of all groups at once. */
    const product = (
      of: readonly ReadTerm[],
      c: number | null,
      start: Place | null,
      { bias, last }: { bias: boolean; last: boolean },
    ): Call => {
      const { inputs, blocks: list } = weights(of, c);
      const outputs = c === null ? whole : sums.reduce((sum, each) => sum + outputsOf(each.out, c), 0);
      return {
        call: "product",
        product: pack(inputs, outputs, list, bias ? biases(c) : null),
        out: placeOf(out, c ?? 0),
        start,
        segments: of.flatMap((term) => segmentsOf(term, c ?? 0)),
        relu: relu && last,
      };
    };
    const plus = (c: number): Place | null => {
      const found = terms.find((t) => t.term === "plus");
      return found ? placeOf(found.map, c, found.at) : null;
    };

    const packedCondition =
      condition && pack(network.condition!.width, whole, blocks(condition.by, out, null, 0), biases(null));
    const first: FirstCall[] = [];
    if (packedCondition && network.condition!.perPixel) {
      const segments = [{ buffer: CONDITION, at: 0, down: 0, right: 0, inputs: packedCondition.inputs }];
      addToRow(
        { call: "product", product: packedCondition, out: begins, start: null, segments, relu: false },
        { condition: true },
      );
    }
    if (when === "finished") {
      const cell = cellOf(out);
      // What no state beside the pixel is needed for: all of the row at once.
      const whole = reads.filter((t) => !(t.map === cell?.out && t.at.some(([down]) => down === 0)));
      const beside = reads.slice(whole.length);
      if (whole.some((t, i) => reads[i] !== t))
        fail("internal", `expected the states beside the pixel last in the sum ${out.name}`);
      const [walk, step] = addToWalk("finished", 0, [
        product(whole, null, plus(0), { bias: true, last: beside.length === 0 }),
      ]);
      first.push({ when, at: [walk, step, 0] });
      if (beside.length > 0)
        addToWalk("finished", scanOf(cell!), [product(beside, null, placeOf(out), { bias: false, last: true })]);
    }
    if (rowReads.length > 0) {
      const at = addToRow(product(rowReads, null, plus(0), { bias: true, last: pixelReads.length === 0 }), {
        begins: condition !== undefined && !network.condition!.perPixel,
      });
      first.push({ when: "row", at });
    }
    if (when !== "finished" && (pixelReads.length > 0 || rowReads.length === 0)) {
      const goesOn = rowReads.length > 0;
      const cell = cellOf(out);
      const calls = groups.map((c) =>
        product(pixelReads, c, goesOn ? placeOf(out, c) : plus(c), { bias: !goesOn, last: true }),
      );
      const [walk, step] = addToWalk("pixel", cell ? scanOf(cell) : 0, calls);
      if (!goesOn) first.push(...groups.map((c): FirstCall => ({ when: "pixel", at: [walk, step, c] })));
    }
    const run = first[0]?.when === "row" ? first[0].at[0] : 0;
    if (packedCondition) conditioned.push({ product: packedCondition, out: begins, run, first });
    const position = terms.find((t) => t.term === "position");
    if (position) {
      if (first.some((call) => call.when !== "row") || network.condition?.perPixel)
        fail("internal", `expected a position to begin a row's sums, and no condition of each pixel, in ${out.name}`);
      const pixels = sizeOf(position.by.axes!);
      const lines = (count: number, from: readonly Block[]): Float32Array => linesOf(count, whole, from);
      const added = lines(pixels, blocks(position.by, out, null, 0));
      positioned.push({ out: begins, run, first, bias: lines(1, biases(null)), added });
    }
  }

  /** Weight rows of a term for group c. */
  function rowsOf(term: ReadTerm, c: number): number {
    const { map, at } = term;
    const width = widthOf(map);
    return isGrouped(term.by) ? (groupsSeen(term, at[0]!, c)[1] * width) / map.groups : at.length * width;
  }

  const followers = new Set<Step>([...merged.values()].flatMap((sums) => sums.slice(1)));
  for (const step of steps) {
    if (followers.has(step) || (step.step === "relu" && fused.has(step))) continue;
    if (step.step === "sum") {
      addSum(step);
      continue;
    }
    if (step.step === "blend") fail("internal", "expected no blend step: the exact engine does not have it yet");
    const { out, of } = step;
    const width = homes.of(out).part;
    const each = groups.slice(0, out.groups).map((c): Call => {
      const places = { out: placeOf(out, c), of: placeOf(of, c), width };
      if (step.step !== "cell") return { call: step.step as "gate", ...places };
      const home = homes.memoryOf(step);
      const memory = { buffer: home.buffer, at: c * home.group, down: 0, right: 0 };
      return { call: "cell", ...places, memory, before: { ...memory, down: step.from[0], right: step.from[1] } };
    });
    const when = schedule.of(out);
    if (when !== "row") addToWalk(when, step.step === "cell" ? scanOf(step) : 0, each);
    else for (const call of each) addToRow(call);
  }
  if (network.logWeights === "outputs") {
    const logits = groups.map((c) => placeOf(outputs, c));
    return { buffers: homes.buffers, row: runs, ...walks, conditioned, positioned, logits, data: data() };
  }
  // A weight, a mean and a log-scale of each component; the first channel has no others before it.
  const components = featuresOf(outputs, 0) / 3;
  const edges = append(binEdges(network.levels));
  const width = padded(network.levels);
  const logits = groups.map((c): Place => ({ buffer: homes.buffers.length, at: c * width, down: 0, right: 0 }));
  const bins = groups.map((c): Call => {
    const places = { out: logits[c]!, of: placeOf(outputs, c), seen: placeOf(network.input) };
    return { call: "bins", ...places, components, before: c, edges };
  });
  addToWalk("pixel", 0, bins);
  const buffers = [...homes.buffers, { width: C * width, slots: 1, left: 0, right: 0 }];
  return { buffers, row: runs, ...walks, conditioned, positioned, logits, data: data() };
}

/** Rows of matrices as lines of a map: [count, width]. */
function linesOf(count: number, width: number, blocks: readonly Block[]): Float32Array {
  const lines = new Float32Array(count * width);
  for (const { from, columns, first, count: each, output } of blocks)
    for (let i = 0; i < count; i++)
      lines.set(from.subarray(i * columns + first, i * columns + first + each), i * width + output);
  return lines;
}
