/**
 * What the codec needs from a model: integer frequencies, the same on every machine. The exact engine satisfies it
 * through an adapter. An encoder, which knows the image, needs two numbers per symbol, not a whole table: 64 rows of
 * 1,000 RGB pixels with 256 levels are 1.5 MB as (start, frequency), 197 MB as tables. A decoder needs one table per
 * image, at each step.
 */

export interface PixelSize {
  readonly height: number;
  readonly width: number;
}

/** `count` images of one size, in lock step. Their pixels are `Uint8Array`s of axes [count, H, W, C]. */
export interface GroupSize extends PixelSize {
  readonly count: number;
}

/** A class, or `conditionSize` numbers: weights over the classes, a vector, a map. */
export type Condition = number | Float32Array;

export interface PredictorOptions {
  readonly signal?: AbortSignal | undefined;
  /** One per image; absent for a model without condition, or to leave the condition out. */
  readonly conditions?: readonly Condition[] | undefined;
}

export interface Step {
  readonly row: number;
  readonly column: number;
  readonly channel: number;
}

/**
 * Laws: frequencies of an image depend on nothing but its own earlier sub-pixels and condition; both passes give the
 * same.
 */
export interface Predictor {
  readonly channels: number;
  readonly levels: number;
  /** `modelDigest`: 32 bytes. */
  readonly digest: Uint8Array;
  /** Classes, or numbers in a condition; 0 for a model without condition. */
  readonly conditionSize: number;
  /**
   * Of a model whose condition goes through m(h): the size that it fixes for images with one. No class stands for such
   * a condition.
   */
  readonly mapSize?: PixelSize | undefined;
  /**
   * Most images of this size that an encoder should put into one lock step, so that a decoder's buffers stay moderate;
   * absent: any number. The same on every machine, since it decides how images are grouped.
   */
  readonly mostImages?: (size: PixelSize) => number;
  /**
   * The image is known: `onRow(row, starts, frequencies)` for each row from the top, both of axes [W, C, count]: where
   * the given level's interval starts and how wide it is, out of 2^24. The arrays may be used again after `onRow`
   * returns.
   */
  forced(images: Uint8Array, size: GroupSize, onRow: OnRow, options?: PredictorOptions): Promise<void>;
  /**
   * The image is asked for: at each sub-pixel, in raster order with channels last, `source` gets `count` tables of K +
   * 1 cumulative frequencies, one after another in `cumulative`, and fills in `levels`. What it throws passes through.
   */
  stepwise(size: GroupSize, source: Source, options?: PredictorOptions): Promise<Uint8Array>;
}

export type OnRow = (row: number, starts: Uint32Array, frequencies: Uint32Array) => void;
export type Source = (step: Step, cumulative: Uint32Array, levels: Uint8Array) => void;
