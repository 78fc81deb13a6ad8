/**
 * Where everything of a plan lies in a kernel's memory, for n images of width W in lock step. A layer keeps only what will be
 * asked for again: a ring of rows of the vertical stack, and the current row of the horizontal stack; so the height does not
 * matter. Layout only: what is computed is in calls.ts.
 *
 * A "line" is one pixel of one lane: line column * lanes + lane. A lane is an image, or with guidance one of its two. Rows lie as [column][lane][feature], so that a step to another
 * column is a fixed distance, and any run of columns is one product. Left and right of the image lie zeros, never written.
 */

import { FIRST_ADDRESS, FREQUENCY_SPILL } from "./descriptions.ts";
import type { Plan } from "./plan.ts";

/** Rows of features; addresses and distances in bytes. */
export interface Rows {
  /** Line 0 of row slot 0, behind its padding. */
  readonly base: number;
  /** From one line to the next. */
  readonly stride: number;
  /** From one row slot to the next. */
  readonly row: number;
  /** Row slots of the ring: row i lies in slot i % slots. */
  readonly slots: number;
}

export interface LayerLayout {
  /** Horizontal pre-activations, [f | g] of each group. */
  readonly q: Rows;
  /** Gated horizontal features. One group uses them up at once, so all layers share them; with more, later groups read them again. */
  readonly y: Rows;
  /** Gated vertical features; null in the last layer. */
  readonly v: Rows | null;
  /** [horizontal features | skip sum so far] of each group; null in the last layer. */
  readonly h: Rows | null;
  /** Biases with the condition added, one line an image; null for a model without condition, and for a map, which differs by pixel. */
  readonly verticalBias: Rows | null;
  readonly horizontalBias: Rows | null;
}

export interface Layout {
  /** Address of the plan's packed numbers. */
  readonly weights: number;
  readonly x: Rows;
  /** Vertical pre-activations [f | g] of the layer at hand. */
  readonly p: Rows;
  readonly layers: readonly LayerLayout[];
  /** What the head reads, after its ReLU. */
  readonly head: Rows;
  readonly hidden: Rows;
  /** One for each channel. */
  readonly logits: readonly Rows[];
  /** n tables of K + 1 integers. */
  readonly cumulative: number;
  /** Known levels of the current row, one byte a line, for each channel. */
  readonly levels: readonly number[];
  /** Two integers a line: see Kernel.intervals. */
  readonly intervals: number;
  /** Classes and vectors: one line an image. Maps: m(h), all rows of the image; null where rows are not as wide as the map's. */
  readonly condition: Rows | null;
  /** With guidance: logits of one column, joined, one line an image. */
  readonly joined: Rows | null;
  /** Images of the network: twice as many as are drawn with guidance, the second half without their conditions. */
  readonly lanes: number;
  /** First free address. */
  readonly end: number;
}

/** Lays out buffers for `count` images of `width` columns. */
export function layOut(plan: Plan, count: number, width: number, guided = false): Layout {
  const { config, map } = plan;
  const lanes = guided ? 2 * count : count;
  const C = config.channels;
  let end = FIRST_ADDRESS;
  const allocate = (bytes: number): number => {
    const at = end;
    end = align(end + bytes);
    return at;
  };
  /** `left` and `right`: columns of zeros beside the image. */
  const rows = (features: number, { slots = 1, left = 0, right = 0 } = {}): Rows => {
    const stride = features * 4;
    const row = align((left + width + right) * lanes * stride);
    return { base: allocate(row * slots) + left * lanes * stride, stride, row, slots };
  };
  const perImage = (features: number, images = lanes): Rows => {
    const stride = features * 4;
    return { base: allocate(images * stride), stride, row: 0, slots: 1 };
  };
  const bias = (features: number): Rows | null => (plan.condition === null || map !== null ? null : perImage(features));

  const weights = allocate(plan.data.length * 4);
  const first = plan.layers[0]!;
  const x = rows(C, { slots: first.up + 1, left: first.radius, right: first.radius });
  const p = rows(2 * plan.width.vertical);
  const shared = C === 1 ? rows(plan.width.group) : null;
  const layers = plan.layers.map((layer, i): LayerLayout => {
    const next = plan.layers[i + 1];
    const reach = next === undefined ? 0 : next.radius * next.dilation;
    const slots = next === undefined ? 0 : (next.up - 1) * next.dilation + 1;
    return {
      q: rows(layer.link.outputs),
      y: shared ?? rows(C * plan.width.group),
      v: next === undefined ? null : rows(plan.width.vertical, { slots, left: reach, right: reach }),
      h: next === undefined ? null : rows(C * (plan.width.group + plan.width.skip), { left: reach }),
      verticalBias: bias(layer.vertical.outputs),
      horizontalBias: bias(layer.link.outputs),
    };
  });
  return {
    weights,
    x,
    p,
    layers,
    head: rows(C * (plan.width.skip || plan.width.group)),
    hidden: rows(C * plan.width.hidden),
    logits: Array.from({ length: C }, () => rows(plan.width.levels)),
    cumulative: allocate(count * (config.levels + 1) * 4 + FREQUENCY_SPILL),
    levels: Array.from({ length: C }, () => allocate(width * lanes)),
    intervals: allocate(width * lanes * 8),
    condition:
      map === null
        ? bias(first.verticalCondition?.inputs ?? 0)
        : width === map.width
          ? rows(map.features, { slots: map.height })
          : null,
    joined: guided ? perImage(plan.width.levels, count) : null,
    lanes,
    end,
  };
}

/** Up to the next multiple of 64: a cache line. */
function align(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}
