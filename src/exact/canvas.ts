/**
 * n images of width W on their way through the network in lock step, row by row. Nothing here depends on n, on W, or on
 * how many lines are computed at once.
 */

import { fail, PixelcnnError } from "../errors.ts";
import { conditionNumbersOf } from "../models/condition.ts";
import type { Place, PositionedSum } from "./call.ts";
import { addressOf, aim, type Calls, type DescribedWalk, describeCalls } from "./calls.ts";
import { type Kernel, type KernelName, product as word } from "./descriptions.ts";
import { createKernel } from "./kernel.ts";
import { type Layout, layOut, type Rows } from "./layout.ts";
import { upsampledCondition } from "./map-features.ts";
import type { Plan } from "./plan.ts";

/** Lines that go through a run of steps together: few enough for the caches, enough for the product's tiles. */
const CHUNK = 256;

export interface CanvasOptions {
  /** [count, D]; absent to leave the condition out. */
  readonly conditions?: Float32Array | undefined;
  /** Divides the logits; default 1. */
  readonly temperature?: number | undefined;
  /** Of a guided canvas: how far its logits go on from those without a condition through those with it; default 0. */
  readonly guidance?: number | undefined;
}

export class Canvas {
  readonly plan: Plan;
  readonly count: number;
  readonly width: number;
  readonly guided: boolean;
  /** Lines of a row. */
  readonly lines: number;
  readonly #kernel: Kernel;
  readonly #layout: Layout;
  readonly #calls: Calls;
  readonly #floats: Float32Array;
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #cumulative: Uint32Array;
  #conditioned = false;
  /** Factors of the logits with and without the condition; null in a canvas that is not guided. */
  #guidance: readonly [number, number] | null = null;
  /** Line 0 of the current row of the input, as an index of a float32. */
  #current = 0;
  #row = -1;

  /** `guided`: each image takes two lanes, with and without its condition, and their logits are joined. */
  constructor(plan: Plan, kernel: KernelName, count: number, width: number, guided = false) {
    const { levels } = plan;
    this.plan = plan;
    this.count = count;
    this.width = width;
    this.guided = guided;
    this.#layout = layOut(plan, count, width, guided);
    this.lines = width * this.#layout.lanes;
    this.#calls = describeCalls(plan, this.#layout);
    const { end, weights, cumulative } = this.#layout;
    this.#kernel = createKernel(kernel, end + 4 * this.#calls.words.length);
    this.#floats = new Float32Array(this.#kernel.memory);
    this.#words = new Uint32Array(this.#kernel.memory);
    this.#bytes = new Uint8Array(this.#kernel.memory);
    this.#floats.set(plan.data, weights >> 2);
    this.#words.set(this.#calls.words, end >> 2);
    this.#cumulative = this.#words.subarray(cumulative >> 2, (cumulative >> 2) + count * (levels + 1));
  }

  /** Begins new images: row -1. What earlier images left behind is never read. */
  begin({ conditions, temperature = 1, guidance = 0 }: CanvasOptions = {}): void {
    this.#row = -1;
    const scale = Math.fround(1 / temperature);
    if (!(scale > 0 && scale < Infinity))
      fail("usage", `expected a temperature from 1e-38 to 1e38 but received ${temperature}`);
    for (const d of this.#calls.frequencies) this.#floats[(d >> 2) + 3] = scale;

    if (!this.guided && guidance !== 0)
      fail("internal", `expected no guidance without room for it but received ${guidance}`);
    this.#guidance = this.guided ? [Math.fround(1 + guidance), Math.fround(guidance)] : null;

    this.#conditioned = conditions !== undefined;
    if (conditions !== undefined) this.#setConditions(conditions);
    for (const { begin, first } of this.#calls.conditioned) {
      if (this.#conditioned && begin !== 0) this.#kernel.product(begin, 0, this.#layout.lanes);
      // With a condition the sums go on from what nextRow puts in their place; without, from the bias itself.
      for (const { at, bias } of first) {
        const d = at >> 2;
        this.#words[d + word.start] = this.#conditioned ? this.#words[d + word.out]! : 0;
        this.#words[d + word.startStride] = this.#words[d + word.outStride]!;
        this.#words[d + word.bias] = this.#conditioned ? 0 : bias;
      }
    }
    for (const calls of this.#calls.positioned)
      for (const at of calls) {
        const d = at >> 2;
        this.#words[d + word.start] = this.#words[d + word.out]!;
        this.#words[d + word.startStride] = this.#words[d + word.outStride]!;
        this.#words[d + word.bias] = 0;
      }
  }

  /**
   * Writes what V is multiplied with: classes and vectors as they are, maps as m(h) in the order of lines. The lanes of
   * guidance get zeros.
   */
  #setConditions(conditions: Float32Array): void {
    const { condition: kind, map } = this.plan;
    if (kind === null) throw new PixelcnnError("usage", "expected no condition: the model has none");
    const D = conditionNumbersOf(kind);
    if (conditions.length !== this.count * D)
      fail("usage", `expected ${this.count} conditions of ${D} numbers but received ${conditions.length} numbers`);
    const { condition, lanes } = this.#layout;
    if (condition === null)
      throw new PixelcnnError("usage", `expected rows of ${map!.width} pixels for a map but received ${this.width}`);
    const start = condition.base >> 2;
    if (map === null) {
      this.#floats.fill(0, start, start + lanes * D);
      this.#floats.set(conditions, start);
      return;
    }
    const { features, height, width } = map;
    this.#floats.fill(0, start, start + (height * condition.row) / 4);
    for (let image = 0; image < this.count; image++) {
      const s = upsampledCondition(map, conditions.subarray(image * D, (image + 1) * D));
      for (let row = 0, from = 0; row < height; row++) {
        for (let column = 0; column < width; column++, from += features) {
          const line = column * lanes + image;
          this.#floats.set(s.subarray(from, from + features), start + ((row * condition.row) >> 2) + line * features);
        }
      }
    }
  }

  /** Goes to the next row: computes all that looks at rows above only. */
  nextRow(): void {
    if (this.#row >= 0) this.#finishRow();
    const row = ++this.#row;
    const { buffers, begins } = this.#layout;
    const input = buffers[0]!;
    this.#current = (input.base + (row % input.slots) * input.row) >> 2;
    for (const each of this.#calls.aims) aim(each, this.#layout, row, this.#words);
    for (const [r, run] of this.#calls.row.entries()) {
      if (this.#conditioned) {
        for (const [i, from] of begins.entries())
          if (this.plan.conditioned[i]!.run === r) this.#repeat(from, this.plan.conditioned[i]!.out);
      }
      for (const sum of this.plan.positioned) if (sum.run === r) this.#addPositions(sum);
      for (let line = 0; line < this.lines; line += CHUNK) {
        const lines = Math.min(CHUNK, this.lines - line);
        for (const { call, at, condition } of run) {
          if (!condition || this.#conditioned) this.#kernel[call](at, line, lines);
        }
      }
    }
  }

  /** What the rows below may ask of a row that is known to its end. */
  #finishRow(): void {
    for (const each of this.#calls.finishedAims) aim(each, this.#layout, this.#row, this.#words);
    for (const walk of this.#calls.finished) this.#walk(walk);
  }

  /**
   * A walk over the whole current row: all columns together, or one after another where a step reads its own states
   * beside it.
   */
  #walk({ scan, steps }: DescribedWalk): void {
    const { lanes } = this.#layout;
    if (scan === 0) {
      for (let line = 0; line < this.lines; line += CHUNK) {
        const lines = Math.min(CHUNK, this.lines - line);
        for (const step of steps) for (const { call, at } of step) this.#kernel[call](at, line, lines);
      }
      return;
    }
    for (let k = 0; k < this.width; k++) {
      const line = (scan > 0 ? k : this.width - 1 - k) * lanes;
      for (const step of steps) for (const { call, at } of step) this.#kernel[call](at, line, lanes);
    }
  }

  /** Copies one line a lane into every column of the current row. */
  #repeat(from: Rows, place: Place): void {
    const block = (this.#layout.lanes * from.stride) >> 2;
    const start = addressOf(this.#layout, place, this.#row) >> 2;
    this.#floats.copyWithin(start, from.base >> 2, (from.base >> 2) + block);
    for (let done = 1; done < this.width; ) {
      const more = Math.min(done, this.width - done);
      this.#floats.copyWithin(start + done * block, start, start + more * block);
      done += more;
    }
  }

  /** Begins a sum with its pixels' own numbers, behind the condition where there is one, and else behind the bias. */
  #addPositions({ out, bias, added }: PositionedSum): void {
    const { lanes } = this.#layout;
    const floats = this.#floats;
    let to = addressOf(this.#layout, out, this.#row) >> 2;
    const next = this.#layout.buffers[out.buffer]!.stride >> 2;
    for (let column = 0; column < this.width; column++) {
      const from = (this.#row * this.width + column) * bias.length;
      for (let lane = 0; lane < lanes; lane++, to += next)
        for (let k = 0; k < bias.length; k++)
          floats[to + k] = (this.#conditioned ? floats[to + k]! : bias[k]!) + added[from + k]!;
    }
  }

  /**
   * What one channel group adds at one column of the current row, up to its logits. Needs all earlier columns, and this
   * column's earlier channels: their groups computed, their levels set.
   */
  predict(channel: number, column: number): void {
    const { lanes } = this.#layout;
    for (const { steps } of this.#calls.pixel) {
      for (const step of steps) {
        const { call, at } = step[channel]!;
        this.#kernel[call](at, column * lanes, lanes);
      }
    }
  }

  /**
   * The same for all groups of a whole row, whose levels are all set: step by step, since a step looks left at every
   * group of those before it.
   */
  predictRow(): void {
    for (const walk of this.#calls.pixel) this.#walk(walk);
  }

  /**
   * The n tables of K + 1 cumulative frequencies of one column, after {@link predict} or {@link predictRow}.
   * Overwritten by the next call.
   */
  frequencies(channel: number, column: number): Uint32Array {
    const line = column * this.#layout.lanes;
    if (this.#guidance !== null) this.#join(channel, line, this.#guidance);
    const first = this.#guidance === null ? line : 0;
    const bad = this.#kernel.frequencies(this.#calls.frequencies[channel]!, first, this.count);
    if (bad >= 0) this.#refuse(bad - first, column, channel);
    return this.#cumulative;
  }

  /** Joins the logits of both lanes of each image (docs/determinism.md). */
  #join(channel: number, line: number, [with_, without]: readonly [number, number]): void {
    const { levels } = this.plan;
    const place = this.plan.logits[channel]!;
    const { stride } = this.#layout.buffers[place.buffer]!;
    const base = addressOf(this.#layout, place, this.#row);
    const joined = this.#layout.joined!;
    const floats = this.#floats;
    for (let image = 0; image < this.count; image++) {
      const c = (base + (line + image) * stride) >> 2;
      const u = c + ((this.count * stride) >> 2);
      const to = (joined.base + image * joined.stride) >> 2;
      for (let k = 0; k < levels; k++)
        floats[to + k] = Math.fround(Math.fround(with_ * floats[c + k]!) - Math.fround(without * floats[u + k]!));
    }
  }

  /**
   * Where the interval of each set level starts and how wide it is, out of 2^24, for the whole row, after
   * {@link predictRow}: [W, C, n] into both arrays. What an encoder or a scorer needs, for less work than whole tables.
   * Not of a guided canvas: a likelihood has no guidance.
   */
  intervals(starts: Uint32Array, frequencies: Uint32Array): void {
    const { channels } = this.plan;
    const { levels, intervals } = this.#layout;
    if (this.guided) fail("internal", "expected no guidance where intervals are asked for");
    for (let channel = 0; channel < channels; channel++) {
      const description = this.#calls.frequencies[channel]!;
      const bad = this.#kernel.intervals(description, 0, this.lines, levels[channel]!, intervals);
      if (bad >= 0) this.#refuse(bad % this.count, Math.floor(bad / this.count), channel);
      for (let column = 0, from = intervals >> 2; column < this.width; column++) {
        let to = (column * channels + channel) * this.count;
        for (const end = to + this.count; to < end; to++, from += 2) {
          starts[to] = this.#words[from]!;
          frequencies[to] = this.#words[from + 1]!;
        }
      }
    }
  }

  #refuse(image: number, column: number, channel: number): never {
    const where = `row ${this.#row}, column ${column}, channel ${channel}`;
    const why = this.guided
      ? "the model's weights overflow, or the guidance is too strong"
      : "the model's weights overflow";
    fail("model", `expected finite logits but image ${image} has NaN or infinite ones at ${where}: ${why}`);
  }

  /** Sets one sub-pixel of each image of the current row. */
  setLevels(column: number, channel: number, levels: Uint8Array): void {
    const { channels, inputs, levels: K } = this.plan;
    const { lanes } = this.#layout;
    const known = this.#layout.levels[channel]! + column * lanes;
    const each = inputs.length / K;
    let at = this.#current + (column * lanes * channels + channel) * each;
    for (let lane = 0; lane < lanes; lane++, at += channels * each) {
      const level = levels[lane < this.count ? lane : lane - this.count]!;
      for (let e = 0; e < each; e++) this.#floats[at + e] = inputs[level * each + e]!;
      this.#bytes[known + lane] = level;
    }
  }
}
