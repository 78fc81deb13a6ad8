/**
 * What an exact-engine kernel is: one interface for the WebAssembly kernel and the plain TypeScript reference, which
 * give the same bits. A kernel owns one memory of a fixed size. A call is described by 32-bit words in that memory, so
 * a product, whatever its segments, costs three arguments; the words are listed here once, for both implementations.
 */

import { fail } from "../errors.ts";

export type KernelName = "wasm" | "reference";

/** Addresses, strides and sizes in bytes unless said otherwise; rows are pixels of one or many images. */
export interface Kernel {
  readonly name: KernelName;
  readonly memory: ArrayBuffer;
  /**
   * Rows `first .. first + rows - 1` of a product. Every output is start + bias (either may be absent), then + input *
   * weight for each input of each segment in order, one rounding an operation; with `relu`, what is below 0 becomes 0.
   */
  product(description: number, first: number, rows: number): void;
  /** y = tanh(f) * logistic(g). */
  gate(description: number, first: number, rows: number): void;
  /** An LSTM cell: c = logistic(f) * before + logistic(i) * tanh(g), y = logistic(o) * tanh(c). */
  cell(description: number, first: number, rows: number): void;
  /** y = x < 0 ? 0 : x. */
  relu(description: number, first: number, rows: number): void;
  /** The outputs of a mixture of logistics to the log-weights of the levels. */
  bins(description: number, first: number, rows: number): void;
  /**
   * Logits to cumulative frequencies (docs/determinism.md). Returns the first row without a finite maximum, or with a
   * NaN; else -1.
   */
  frequencies(description: number, first: number, rows: number): number;
  /**
   * The same for one known level of each row (one byte per row at `levels`): two integers per row at `out`, where the
   * level's interval starts and how wide it is. The description's own `out` is scratch.
   */
  intervals(description: number, first: number, rows: number, levels: number, out: number): number;
  /**
   * Elementwise over `count` float32 numbers, a multiple of 4. exp is of x held to -87 .. 87, log of x from 2^-126 on.
   */
  exp(input: number, output: number, count: number): void;
  log(input: number, output: number, count: number): void;
  tanh(input: number, output: number, count: number): void;
  logistic(input: number, output: number, count: number): void;
}

/** Addresses below this belong to the kernel's own constants. */
export const FIRST_ADDRESS = 4096;

/** Outputs of a product come in panels of this many; weights are stored [panel][input][PANEL]. */
export const PANEL = 8;

/** Bytes behind the last table of frequencies that a kernel may overwrite. */
export const FREQUENCY_SPILL = 16;

export interface Segment {
  /** Address of row 0. */
  readonly from: number;
  readonly stride: number;
  /** Inputs of this segment, one after another. */
  readonly inputs: number;
}

export interface ProductDescription {
  readonly out: number;
  readonly outStride: number;
  /** Address of row 0 of the sums to go on from; 0 for none. May be `out`. */
  readonly start: number;
  readonly startStride: number;
  /** Address of one number an output; 0 for none. */
  readonly bias: number;
  readonly weights: number;
  /** Inputs of all segments together, in the weights (some at the front may be skipped by moving `weights`). */
  readonly weightInputs: number;
  /** A multiple of {@link PANEL}. */
  readonly outputs: number;
  readonly relu: boolean;
  readonly segments: readonly Segment[];
}

/** Word numbers of a product's description. */
export const product = {
  out: 0,
  outStride: 1,
  start: 2,
  startStride: 3,
  bias: 4,
  weights: 5,
  panelStride: 6,
  outputs: 7,
  relu: 8,
  segments: 9,
  list: 10,
};

export function productWords(d: ProductDescription): number[] {
  if (d.outputs % PANEL !== 0)
    fail("internal", `expected a multiple of ${PANEL} outputs of a product but received ${d.outputs}`);
  const panelStride = d.weightInputs * PANEL * 4;
  const head = [
    d.out,
    d.outStride,
    d.start,
    d.startStride,
    d.bias,
    d.weights,
    panelStride,
    d.outputs,
    d.relu ? 1 : 0,
    d.segments.length,
  ];
  return [...head, ...d.segments.flatMap((s) => [s.from, s.stride, s.inputs])];
}

/** A call that works number by number: gate and relu. */
export interface ElementwiseDescription {
  readonly out: number;
  readonly outStride: number;
  /** Address of row 0; of a gate, of its part f, with part g `width` numbers further on. */
  readonly of: number;
  /** From one row of the input to the next. */
  readonly stride: number;
  /** A multiple of 4. */
  readonly width: number;
}

export function elementwiseWords(d: ElementwiseDescription): number[] {
  return [d.out, d.outStride, d.of, d.of + 4 * d.width, d.stride, d.width];
}

/** An LSTM cell; `of` are its gates, parts o, f, i, g of `width` numbers each. */
export interface CellDescription extends ElementwiseDescription {
  /** Address of row 0 of the memory to go on from. */
  readonly before: number;
  readonly beforeStride: number;
  /** Where the new memory goes. */
  readonly memory: number;
  readonly memoryStride: number;
}

/** Word numbers of a cell's memories. */
export const cell = { before: 6, beforeStride: 7, memory: 8 };

export function cellWords(d: CellDescription): number[] {
  return [...elementwiseWords(d), d.before, d.beforeStride, d.memory, d.memoryStride];
}

/** A mixture of logistics and its bins, one a level. */
export interface BinsDescription {
  /** K log-weights a row, and room up to the next multiple of 4. */
  readonly out: number;
  readonly outStride: number;
  /** Address of row 0 of the outputs. */
  readonly of: number;
  readonly stride: number;
  /** Address of row 0 of the pixel's levels as numbers from -1 to 1, one a channel. */
  readonly seen: number;
  readonly seenStride: number;
  readonly components: number;
  /** Channels before this one, whose levels move the means. */
  readonly before: number;
  readonly levels: number;
  /** Address of the bins' edges: see {@link binEdges}. */
  readonly edges: number;
}

export function binsWords(d: BinsDescription): number[] {
  return [d.out, d.outStride, d.of, d.seen, d.stride, d.seenStride, d.components, d.before, d.levels, d.edges];
}

/** Edges of K bins: minus infinity, K - 1 numbers between -1 and 1, and infinities, as many as a kernel may read. */
export const binEdges = (levels: number): Float32Array =>
  Float32Array.from({ length: Math.ceil(levels / PANEL) * PANEL + PANEL }, (_, k) =>
    k === 0 ? -Infinity : k < levels ? (2 * k - levels) / (levels - 1) : Infinity,
  );

export interface FrequencyDescription {
  /** K logits per row, readable up to the next multiple of 4. */
  readonly logits: number;
  readonly stride: number;
  readonly levels: number;
  /** Multiplies every logit: 1 / temperature as float32. */
  readonly scale: number;
  /** K + 1 integers per row; the row called `first` is written here. */
  readonly out: number;
}

export function frequencyWords(d: FrequencyDescription): number[] {
  const scale = new Uint32Array(Float32Array.of(d.scale).buffer)[0]!;
  return [d.logits, d.stride, d.levels, scale, d.out];
}
