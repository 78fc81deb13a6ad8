/**
 * What the kernel does, as data: calls, the places of a line that they read and write, and the walks over rows and
 * pixels that make them in turn.
 */

import type { PackedProduct } from "./pack.ts";

/** Numbers of a line, `down` rows below and `right` columns beside the current pixel. */
export interface Place {
  readonly buffer: number;
  /** The first number. */
  readonly at: number;
  readonly down: number;
  readonly right: number;
}

/** Inputs of a product, one behind another. */
export interface PlacedSegment extends Place {
  readonly inputs: number;
}

export type Call =
  | {
      readonly call: "product";
      readonly product: PackedProduct;
      readonly out: Place;
      /** The sums to go on from; null begins with the bias alone. */
      readonly start: Place | null;
      readonly segments: readonly PlacedSegment[];
      readonly relu: boolean;
    }
  | { readonly call: "gate" | "relu"; readonly out: Place; readonly of: Place; readonly width: number }
  | {
      readonly call: "cell";
      readonly out: Place;
      readonly of: Place;
      readonly width: number;
      /** The memory to go on from, and the new one. */
      readonly before: Place;
      readonly memory: Place;
    }
  | {
      /** The log-weights of the levels from the outputs of a mixture of logistics. */
      readonly call: "bins";
      readonly out: Place;
      readonly of: Place;
      /** The pixel's levels, of which it reads those of the channels before. */
      readonly seen: Place;
      readonly components: number;
      readonly before: number;
      /** Where the bins' edges lie among the plan's numbers. */
      readonly edges: number;
    };

/** Steps of calls, by step, then group. */
export interface Walk {
  /**
   * 0: any columns go through together. Otherwise column by column, since a step reads its own states beside it: 1 from
   * the left, -1 from the right.
   */
  readonly scan: -1 | 0 | 1;
  readonly steps: readonly (readonly Call[])[];
}

export interface RowCall {
  readonly call: Call;
  /** Of a sum with a condition: only where a condition that differs by pixel is given, it begins the sum. */
  readonly condition: boolean;
}

/** A call: of the row, by run and place; of the walks over pixels or over a finished row, by walk, step and group. */
export type FirstCall =
  | { readonly when: "row"; readonly at: readonly [number, number] }
  | { readonly when: "pixel" | "finished"; readonly at: readonly [number, number, number] };

/** A sum that begins with the condition where one is given: bias and V h, and the products that then go on from it. */
export interface ConditionedSum {
  readonly product: PackedProduct;
  readonly out: Place;
  /**
   * The run of row calls before which its beginnings are put in place: maps of several layers may take turns in one
   * buffer.
   */
  readonly run: number;
  /** The products that begin the sum. */
  readonly first: readonly FirstCall[];
}

/** A sum that begins with numbers of its own at each pixel of an image of one size. */
export interface PositionedSum {
  readonly out: Place;
  /** The run of row calls before which its beginnings are put in place. */
  readonly run: number;
  /** The products that go on from them. */
  readonly first: readonly FirstCall[];
  /** What a line begins with where no condition begins it: the bias. */
  readonly bias: Float32Array;
  /** What each pixel's line adds, in the order of pixels. */
  readonly added: Float32Array;
}

/** In place of a buffer: the condition's numbers, or m(h), of each pixel of the row. */
export const CONDITION = -1;
