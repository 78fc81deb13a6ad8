/**
 * The described kernel calls of a plan in a layout, written once. Only what depends on the row (ring slots, and rows above the
 * image, which are left out) is rewritten by canvas.ts: the segments of the vertical products and of layer 1's side products.
 */

import { frequencyWords, gateWords, productWords, type Segment } from "./descriptions.ts";
import type { Layout, Rows } from "./layout.ts";
import type { PackedProduct, Plan } from "./plan.ts";

/** Addresses of the descriptions of one layer's calls; the lists have one entry a group. */
export interface LayerCalls {
  readonly vertical: number;
  /** 0 in the last layer, whose vertical gate would feed nothing. */
  readonly verticalGate: number;
  readonly link: number;
  /** Left taps and centre, on top of the link. */
  readonly side: readonly number[];
  readonly gate: readonly number[];
  /** Residual and skip. */
  readonly out: readonly number[];
  /** Condition to biases, one line an image, or for a map (canvas.ts says of which row) to sums, one a line; 0 without a condition. */
  readonly verticalCondition: number;
  readonly horizontalCondition: number;
}

export interface Calls {
  readonly layers: readonly LayerCalls[];
  readonly hidden: readonly number[];
  readonly logits: readonly number[];
  readonly frequencies: readonly number[];
  /** All descriptions, to be written at `layout.end`. */
  readonly words: readonly number[];
}

export function describeCalls(plan: Plan, layout: Layout): Calls {
  const { channels: C, levels: K, features: F, skip: S, head } = plan.config;
  const { width } = plan;
  const groups = Array.from({ length: C }, (_, c) => c);
  const words: number[] = [];
  const add = (description: readonly number[]): number => {
    words.push(...description);
    return layout.end + 4 * (words.length - description.length);
  };
  const multiply = (
    packed: PackedProduct,
    out: Rows,
    segments: readonly Segment[],
    { start, relu = false }: { start?: Rows | undefined; relu?: boolean } = {},
  ) =>
    add(
      productWords({
        out: out.base,
        outStride: out.stride,
        start: start?.base ?? 0,
        startStride: start?.stride ?? 0,
        bias: packed.bias < 0 ? 0 : layout.weights + 4 * packed.bias,
        weights: layout.weights + 4 * packed.weights,
        weightInputs: packed.inputs,
        outputs: packed.outputs,
        relu,
        segments,
      }),
    );
  const gate = (out: Rows, from: Rows, size: number): number =>
    add(
      gateWords({
        out: out.base,
        outStride: out.stride,
        f: from.base,
        g: from.base + 4 * size,
        stride: from.stride,
        width: size,
      }),
    );
  /** The first `groups` groups of a row of groups `distance` numbers apart, `inputs` numbers of each. */
  const seen = (rows: Rows, upTo: number, inputs: number, distance: number): Segment[] =>
    groups.slice(0, upTo).map((c) => ({ ...at(rows, c * distance), inputs }));

  const lineWidth = width.group + width.skip;
  const headWidth = width.skip || width.group;
  const layers = plan.layers.map((layer, i): LayerCalls => {
    const { q, y, v, h, verticalBias, horizontalBias } = layout.layers[i]!;
    const before = layout.layers[i - 1]?.h ?? null;
    const own = (c: number): Rows => shifted(q, c * 2 * width.group);
    const side = (c: number): number => {
      // Layer 1 reads the input: canvas.ts fills in where its row lies.
      if (before === null) return multiply(layer.side[c]!, own(c), unset(layer.radius + (c > 0 ? 1 : 0)), { start: own(c) });
      const left = Array.from({ length: layer.radius }, (_, m) => {
        const columns = (layer.radius - m) * layer.dilation;
        return seen({ ...before, base: before.base - columns * layout.lanes * before.stride }, C, F / C, lineWidth);
      });
      return multiply(layer.side[c]!, own(c), [...left.flat(), ...seen(before, c + 1, F / C, lineWidth)], { start: own(c) });
    };
    const out = (c: number): number => {
      const segments = seen(y, c + 1, F / C, width.group);
      if (h !== null)
        return multiply(layer.out[c]!, shifted(h, c * lineWidth), segments, {
          start: before === null ? undefined : shifted(before, c * lineWidth),
        });
      // The last layer goes to the head: through its skip connection, or else its horizontal features.
      const start = before === null ? undefined : shifted(before, c * lineWidth + (S > 0 ? width.group : 0));
      return multiply(layer.out[c]!, shifted(layout.head, c * headWidth), segments, { start, relu: true });
    };
    const conditions = (packed: PackedProduct | null, to: Rows): number =>
      packed === null || layout.condition === null
        ? 0
        : multiply(packed, to, [{ ...at(layout.condition), inputs: packed.inputs }]);
    return {
      vertical: multiply(layer.vertical, layout.p, unset(layer.up * layer.kernel)),
      verticalGate: v === null ? 0 : gate(v, layout.p, width.vertical),
      link: multiply(layer.link, q, [
        { ...at(layout.p), inputs: F },
        { ...at(layout.p, width.vertical), inputs: F },
      ]),
      side: groups.map(side),
      gate: groups.map((c) => gate(shifted(y, c * width.group), own(c), width.group)),
      out: groups.map(out),
      verticalCondition: conditions(layer.verticalCondition, verticalBias ?? layout.p),
      horizontalCondition: conditions(layer.horizontalCondition, horizontalBias ?? q),
    };
  });

  const hidden = groups.map((c) =>
    multiply(plan.hidden[c]!, shifted(layout.hidden, c * width.hidden), seen(layout.head, c + 1, (S || F) / C, headWidth), {
      relu: true,
    }),
  );
  const logits = groups.map((c) =>
    multiply(plan.logits[c]!, layout.logits[c]!, seen(layout.hidden, c + 1, head.features / C, width.hidden)),
  );
  const frequencies = groups.map((c) => {
    const { base, stride } = layout.joined ?? layout.logits[c]!;
    return add(frequencyWords({ logits: base, stride, levels: K, scale: 1, out: layout.cumulative }));
  });
  return { layers, hidden, logits, frequencies, words };
}

/** The same rows, beginning `numbers` features further on. */
function shifted(rows: Rows, numbers: number): Rows {
  return { ...rows, base: rows.base + 4 * numbers };
}

function at(rows: Rows, numbers = 0): { from: number; stride: number } {
  return { from: rows.base + 4 * numbers, stride: rows.stride };
}

/** Room for segments that canvas.ts writes. */
function unset(segments: number): Segment[] {
  return Array.from({ length: segments }, () => ({ from: 0, stride: 0, inputs: 0 }));
}
