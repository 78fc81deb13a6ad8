/**
 * A range coder, first in first out, with carry propagation: the interval is about 48 bits wide and lives in JavaScript
 * doubles, where every integer below 2^53 is exact. Frequencies come from outside, 24 bits in all, one table per
 * symbol. After G. N. N. Martin, "Range encoding" (1979), and Moffat, Neal and Witten, "Arithmetic coding revisited"
 * (1998); derivation, termination and costs in docs/range-coding.md. No models here and no lengths: the container keeps
 * those.
 */

import { fail } from "../errors.ts";

/** Frequencies of one symbol add up to this. */
export const TOTAL = 2 ** 24;

/** Width of the window on the number that is being written. */
const WINDOW = 2 ** 48;
/** Its top byte; the range never stays below this, so the unit `floor(range / TOTAL)` keeps at least 16 bits. */
const TOP = 2 ** 40;
const WINDOW_BYTES = 6;

/** Writes symbols as one number in [0, 1), most significant byte first. */
export class RangeEncoder {
  /**
   * Invariant: 0 <= low < 2^48. The interval is [bytes.low, bytes.low + range), digits after `bytes`; it lies in [0,
   * 1).
   */
  #low = 0;
  /**
   * Invariant between symbols: 2^40 <= range <= 2^48. So low + range < 2^49 and every product below stays under 2^48.
   */
  #range = WINDOW;
  /**
   * Invariant: `#bytes[0 .. #length)` are digits that only a carry can still change, and a carry never leaves the
   * first.
   */
  #bytes = new Uint8Array(64);
  #length = 0;

  /**
   * Narrows the interval to `frequency` of `TOTAL` parts from `start` on. The last symbol also gets what division
   * leaves.
   */
  encode(start: number, frequency: number): void {
    const end = start + frequency;
    if (!(start >= 0 && frequency >= 1 && end <= TOTAL)) {
      fail(
        "internal",
        `expected 0 <= start and start + frequency <= 2^24, frequency >= 1, but received ${start} and ${frequency}`,
      );
    }
    const unit = Math.floor(this.#range / TOTAL);
    const below = unit * start;
    this.#low += below;
    this.#range = end === TOTAL ? this.#range - below : unit * frequency;
    if (this.#low >= WINDOW) {
      this.#low -= WINDOW;
      this.#carry();
    }
    while (this.#range < TOP) {
      const digit = Math.floor(this.#low / TOP);
      this.#push(digit);
      this.#low = (this.#low - digit * TOP) * 256;
      this.#range *= 256;
    }
  }

  /** Digits written so far; the finished stream has this many or one more. */
  get length(): number {
    return this.#length;
  }

  /**
   * Ends the stream with the fewest digits that the decoder, which reads zeros past the end, takes for a number inside
   * the interval: none if the interval holds a multiple of the window, else one, the smallest that fits.
   */
  finish(): Uint8Array {
    if (this.#low > 0) {
      if (this.#low + this.#range > WINDOW) this.#carry();
      else this.#push(Math.ceil(this.#low / TOP));
    }
    return this.#bytes.slice(0, this.#length);
  }

  /** Adds one to the digits so far. Runs of 255 turn to 0, so the cost is constant per digit on average. */
  #carry(): void {
    let i = this.#length - 1;
    while (this.#bytes[i] === 255) this.#bytes[i--] = 0;
    this.#bytes[i]!++;
  }

  #push(digit: number): void {
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#length++] = digit;
  }
}

/** Reads what {@link RangeEncoder} wrote, and refuses every byte string that it would not have written. */
export class RangeDecoder {
  readonly #bytes: Uint8Array;
  /** Length of the whole stream, as the file claims; `#bytes` may be a shorter prefix of it. */
  readonly #length: number;
  /** Invariant between symbols: 2^40 <= range <= 2^48, the same number as the encoder's. */
  #range = WINDOW;
  /** Invariant: 0 <= code < range: how far the stream's number lies above the low end of the interval. */
  #code = 0;
  /**
   * Invariant: the number lies in [code, code + slack], over all ways to fill the bytes that a prefix lacks; 0 if
   * whole.
   */
  #slack = 0;
  /**
   * Digits taken into the window. Invariant: position - 6, the encoder's `length`, never passes the stream's length.
   */
  #position = 0;

  /** A whole stream, or with `length` (Infinity if unknown) a prefix of a longer one. */
  constructor(bytes: Uint8Array, options: { length?: number } = {}) {
    this.#bytes = bytes;
    this.#length = options.length ?? bytes.length;
    for (let i = 0; i < WINDOW_BYTES; i++) this.#shift();
  }

  /**
   * The next symbol under `cumulative[offset .. offset + levels]`, which rises strictly from 0 to `TOTAL`.
   * On a prefix, -1 when the missing bytes could still change the answer.
   */
  decode(cumulative: Uint32Array, offset: number, levels: number): number {
    const unit = Math.floor(this.#range / TOTAL);
    // Exact: the quotient is below 2^25 and not within 2^-24 under an integer, where doubles are 2^-28 apart.
    const target = Math.floor(this.#code / unit);
    let level = 0;
    let above = levels;
    while (above - level > 1) {
      const middle = (level + above) >>> 1;
      if (cumulative[offset + middle]! <= target) level = middle;
      else above = middle;
    }
    const start = cumulative[offset + level]!;
    const end = cumulative[offset + level + 1]!;
    const code = this.#code - unit * start;
    const range = end === TOTAL ? this.#range - unit * start : unit * (end - start);
    if (!(code >= 0 && code < range)) {
      fail(
        "corrupt",
        `byte ${this.#position - WINDOW_BYTES} of the stream: expected a value below ${end} but found ${target}`,
      );
    }
    if (code + this.#slack >= range) return -1;
    this.#code = code;
    this.#range = range;
    while (this.#range < TOP) {
      this.#range *= 256;
      this.#shift();
    }
    return level;
  }

  /**
   * Checks that the stream is the one that the encoder ends on these symbols: nothing missing, left over or rewritten.
   */
  finish(): void {
    const written = this.#position - WINDOW_BYTES;
    const length = this.#length;
    // The number is a multiple of the window inside the interval, and there is only one.
    if (length === written) return;
    if (length > written + 1) {
      fail(
        "corrupt",
        `byte ${written + 1} of the stream: expected its end but found ${length - written - 1} more bytes`,
      );
    }
    const last = this.#bytes[length - 1]!;
    const low = last * TOP - this.#code;
    if (!(this.#code < TOP && low > 0 && low + this.#range <= WINDOW)) {
      fail(
        "corrupt",
        `byte ${length - 1} of the stream: expected the shortest ending of these symbols but found ${last}`,
      );
    }
  }

  /** Takes one more digit into the window: a byte, a zero past the end, or an unknown one past a prefix. */
  #shift(): void {
    const position = this.#position++;
    this.#code *= 256;
    this.#slack *= 256;
    if (position < this.#bytes.length) this.#code += this.#bytes[position]!;
    else if (position < this.#length) this.#slack += 255;
    else if (position >= this.#length + WINDOW_BYTES) {
      fail("corrupt", `byte ${this.#length} of the stream: expected more bytes but found its end (truncated)`);
    }
  }
}
