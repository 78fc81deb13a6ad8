/**
 * The described kernel calls of a plan in a layout, written once. What depends on the row (slots of rings, and rows
 * above the image) is written anew by {@link aim} as each row begins.
 */

import { type Call, CONDITION, type Place } from "./call.ts";
import {
  binsWords,
  cell as cellWord,
  cellWords,
  elementwiseWords,
  frequencyWords,
  PANEL,
  productWords,
  product as word,
} from "./descriptions.ts";
import type { Layout, Rows } from "./layout.ts";
import type { Plan } from "./plan.ts";

/** One call of the kernel: its function and the address of its description. */
export interface Described {
  readonly call: Call["call"];
  readonly at: number;
}

export interface RowDescribed extends Described {
  /** Made only where a condition that differs by pixel is given. */
  readonly condition: boolean;
}

/** The products that begin a sum that a condition may begin in their place. */
export interface ConditionedCalls {
  /** From the condition to one line a lane; 0 where the condition differs by pixel. */
  readonly begin: number;
  readonly first: readonly { readonly at: number; readonly bias: number }[];
}

/** A call whose description depends on the row. */
export interface Aim {
  readonly at: number;
  readonly call: Call;
}

export interface DescribedWalk {
  readonly scan: -1 | 0 | 1;
  readonly steps: readonly (readonly Described[])[];
}

export interface Calls {
  readonly row: readonly (readonly RowDescribed[])[];
  readonly pixel: readonly DescribedWalk[];
  readonly finished: readonly DescribedWalk[];
  readonly conditioned: readonly ConditionedCalls[];
  /** Addresses of the products that go on from each sum that begins with its pixel's own numbers. */
  readonly positioned: readonly (readonly number[])[];
  readonly frequencies: readonly number[];
  readonly aims: readonly Aim[];
  /** Those of the walks over a finished row, which are aimed at that row. */
  readonly finishedAims: readonly Aim[];
  /** All descriptions, to be written at `layout.end`. */
  readonly words: readonly number[];
}

export function describeCalls(plan: Plan, layout: Layout): Calls {
  const words: number[] = [];
  const aims: Aim[] = [];
  const finishedAims: Aim[] = [];
  const add = (description: readonly number[]): number => {
    words.push(...description);
    return layout.end + 4 * (words.length - description.length);
  };
  const rowsOf = ({ buffer }: Place): Rows => (buffer === CONDITION ? layout.condition! : layout.buffers[buffer]!);
  const describe = (call: Call, to = aims): Described => {
    const { out } = call;
    const head = { out: addressOf(layout, out, 0), outStride: rowsOf(out).stride };
    let at: number;
    if (call.call === "product") {
      const { product, start, segments, relu } = call;
      at = add(
        productWords({
          ...head,
          start: start ? addressOf(layout, start, 0) : 0,
          startStride: start ? rowsOf(start).stride : 0,
          bias: product.bias < 0 ? 0 : layout.weights + 4 * product.bias,
          weights: layout.weights + 4 * product.weights,
          weightInputs: product.inputs,
          outputs: product.outputs,
          relu,
          segments: segments.map((segment) => ({
            from: addressOf(layout, segment, 0),
            stride: rowsOf(segment).stride,
            inputs: segment.inputs,
          })),
        }),
      );
    } else {
      const { of } = call;
      const common = { ...head, of: addressOf(layout, of, 0), stride: rowsOf(of).stride };
      at = add(
        call.call === "bins"
          ? binsWords({
              ...common,
              seen: addressOf(layout, call.seen, 0),
              seenStride: rowsOf(call.seen).stride,
              components: call.components,
              before: call.before,
              levels: plan.levels,
              edges: layout.weights + 4 * call.edges,
            })
          : call.call === "cell"
            ? cellWords({
                ...common,
                width: call.width,
                before: addressOf(layout, call.before, 0),
                beforeStride: rowsOf(call.before).stride,
                memory: addressOf(layout, call.memory, 0),
                memoryStride: rowsOf(call.memory).stride,
              })
            : elementwiseWords({ ...common, width: call.width }),
      );
    }
    if (placesOf(call).some((place) => place.down < 0 || rowsOf(place).slots > 1)) to.push({ at, call });
    return { call: call.call, at };
  };

  // A map whose size is not the rows' cannot be given: canvas.ts refuses it, and its calls are never made.
  const usable = (call: Call): boolean =>
    layout.condition !== null || !placesOf(call).some(({ buffer }) => buffer === CONDITION);
  const row = plan.row.map((run) =>
    run.filter(({ call }) => usable(call)).map(({ call, condition }) => ({ ...describe(call), condition })),
  );
  const walk = (walks: Plan["pixel"], to: Aim[]): DescribedWalk[] =>
    walks.map(({ scan, steps }) => ({ scan, steps: steps.map((step) => step.map((call) => describe(call, to))) }));
  const pixel = walk(plan.pixel, aims);
  const finished = walk(plan.finished, finishedAims);
  const rowCall = ([run, place]: readonly [number, number]): [Described, Call] => {
    const left = plan.row[run]!.slice(0, place).filter(({ call }) => usable(call)).length;
    return [row[run]![left]!, plan.row[run]![place]!.call];
  };
  const walkCall = (when: "pixel" | "finished", [w, step, c]: readonly [number, number, number]): [Described, Call] => [
    { pixel, finished }[when][w]!.steps[step]![c]!,
    plan[when][w]!.steps[step]![c]!,
  ];
  const conditioned = plan.conditioned.map(({ product, first }, i): ConditionedCalls => {
    const begins = layout.begins[i];
    const from = layout.condition;
    const begin =
      begins && from
        ? add(
            productWords({
              out: begins.base,
              outStride: begins.stride,
              start: 0,
              startStride: 0,
              relu: false,
              bias: layout.weights + 4 * product.bias,
              weights: layout.weights + 4 * product.weights,
              weightInputs: product.inputs,
              outputs: product.outputs,
              segments: [{ from: from.base, stride: from.stride, inputs: product.inputs }],
            }),
          )
        : 0;
    const calls = first.map((place) => {
      const [described, call] = place.when === "row" ? rowCall(place.at) : walkCall(place.when, place.at);
      return { at: described.at, bias: call.call === "product" ? layout.weights + 4 * call.product.bias : 0 };
    });
    return { begin, first: calls };
  });
  const positioned = plan.positioned.map(({ first }) =>
    first.flatMap((place) => (place.when === "row" ? [rowCall(place.at)[0].at] : [])),
  );
  const frequencies = plan.logits.map((place) => {
    const { base, stride } = layout.joined ?? { base: addressOf(layout, place, 0), stride: rowsOf(place).stride };
    return add(frequencyWords({ logits: base, stride, levels: plan.levels, scale: 1, out: layout.cumulative }));
  });
  return { row, pixel, finished, conditioned, positioned, frequencies, aims, finishedAims, words };
}

function placesOf(call: Call): Place[] {
  if (call.call === "bins") return [call.out, call.of, call.seen];
  if (call.call === "cell") return [call.out, call.of, call.before, call.memory];
  if (call.call !== "product") return [call.out, call.of];
  return [call.out, ...(call.start ? [call.start] : []), ...call.segments];
}

/** Address of a place's line 0 while row `row` is computed. */
export function addressOf(layout: Layout, { buffer, at, down, right }: Place, row: number): number {
  const { base, stride, row: distance, slots } = buffer === CONDITION ? layout.condition! : layout.buffers[buffer]!;
  const slot = slots === 1 ? 0 : (row + down + slots) % slots;
  return base + slot * distance + right * layout.lanes * stride + 4 * at;
}

/**
 * Points a call at the rows that it reads and writes while row `row` is computed. Inputs above the image that a product
 * begins with are left out, with their weights; others read zeros. A sum that begins with a condition goes on from its
 * own place.
 */
export function aim({ at, call }: Aim, layout: Layout, row: number, words: Uint32Array): void {
  const d = at >> 2;
  words[d + word.out] = addressOf(layout, call.out, row);
  if (call.call !== "product") {
    words[d + 2] = addressOf(layout, call.of, row);
    words[d + 3] = call.call === "bins" ? addressOf(layout, call.seen, row) : words[d + 2]! + 4 * call.width;
    if (call.call === "cell") {
      const above = row + call.before.down < 0;
      words[d + cellWord.before] = above ? layout.zeros : addressOf(layout, call.before, row);
      words[d + cellWord.beforeStride] = above ? 0 : layout.buffers[call.before.buffer]!.stride;
      words[d + cellWord.memory] = addressOf(layout, call.memory, row);
    }
    return;
  }
  const { product, segments, start } = call;
  if (start) {
    const above = row + start.down < 0;
    words[d + word.start] = above ? layout.zeros : addressOf(layout, start, row);
    words[d + word.startStride] = above ? 0 : layout.buffers[start.buffer]!.stride;
  } else if (words[d + word.start] !== 0) words[d + word.start] = words[d + word.out]!;
  let skipped = 0;
  let inputs = 0;
  while (skipped < segments.length && row + segments[skipped]!.down < 0) inputs += segments[skipped++]!.inputs;
  let entry = d + word.list;
  for (let i = skipped; i < segments.length; i++, entry += 3) {
    const segment = segments[i]!;
    const above = row + segment.down < 0;
    words[entry] = above ? layout.zeros : addressOf(layout, segment, row);
    words[entry + 1] = above ? 0 : (layout.buffers[segment.buffer] ?? layout.condition!).stride;
    words[entry + 2] = segment.inputs;
  }
  words[d + word.segments] = segments.length - skipped;
  words[d + word.weights] = layout.weights + 4 * (product.weights + inputs * PANEL);
}
