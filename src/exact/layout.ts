/**
 * Where everything of a plan lies in a kernel's memory, for n images of width W in lock step. A buffer keeps only the
 * rows that will be asked for again, so the height does not matter. Layout only: what is computed is in lower.ts and
 * calls.ts.
 *
 * A "line" is one pixel of one lane: line column * lanes + lane. A lane is an image, or with guidance one of its two.
 * Rows lie as [column][lane][feature], so that a step to another column is a fixed distance, and any run of columns is
 * one product. Left and right of the image lie zeros, never written.
 */

import { FIRST_ADDRESS, FREQUENCY_SPILL } from "./descriptions.ts";
import { padded } from "./pack.ts";
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

export interface Layout {
  /** Address of the plan's packed numbers. */
  readonly weights: number;
  /** One for each of the plan's buffers. */
  readonly buffers: readonly Rows[];
  /** As many zeros as the longest line: what is read above the image. */
  readonly zeros: number;
  /** For each conditioned sum, what it begins with, one line a lane; none where the condition differs by pixel. */
  readonly begins: readonly Rows[];
  /**
   * Classes and vectors: one line a lane. Through m(h): its numbers, all rows of the image; null where rows are not as
   * wide as the map's.
   */
  readonly condition: Rows | null;
  /** n tables of K + 1 integers. */
  readonly cumulative: number;
  /** Known levels of the current row, one byte per line, for each channel. */
  readonly levels: readonly number[];
  /** Two integers per line: see Kernel.intervals. */
  readonly intervals: number;
  /** With guidance: logits of one column, joined, one line per image. */
  readonly joined: Rows | null;
  /** Images of the network: twice as many as are drawn with guidance, the second half without their conditions. */
  readonly lanes: number;
  /** First free address. */
  readonly end: number;
}

/** Lays out buffers for `count` images of `width` columns. */
export function layOut(plan: Plan, count: number, width: number, guided = false): Layout {
  const { channels: C, levels: K, map } = plan;
  const lanes = guided ? 2 * count : count;
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
  const perLane = (features: number, lines = lanes): Rows => {
    const stride = features * 4;
    return { base: allocate(lines * stride), stride, row: 0, slots: 1 };
  };
  const conditionRows = (): Rows | null => {
    if (map === null) return plan.condition === null ? null : perLane(plan.conditionWidth);
    return width === map.width ? rows(map.features, { slots: map.height }) : null;
  };
  return {
    weights: allocate(plan.data.length * 4),
    buffers: plan.buffers.map((buffer) => rows(buffer.width, buffer)),
    zeros: allocate(Math.max(...plan.buffers.map((buffer) => buffer.width)) * 4),
    begins: map === null ? plan.conditioned.map(({ product }) => perLane(product.outputs)) : [],
    condition: conditionRows(),
    cumulative: allocate(count * (K + 1) * 4 + FREQUENCY_SPILL),
    levels: Array.from({ length: C }, () => allocate(width * lanes)),
    intervals: allocate(width * lanes * 8),
    joined: guided ? perLane(padded(K), count) : null,
    lanes,
    end,
  };
}

/** Up to the next multiple of 64: a cache line. */
function align(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}
