/**
 * n images of width W on their way through the network in lock step, row by row. The order of the calls is the order of the sums
 * of docs/determinism.md; nothing here depends on n, on W, or on how many lines are computed at once.
 */

import { fail, PixelcnnError } from "../errors.ts";
import { conditionNumbersOf } from "../models/condition.ts";
import { type Calls, describeCalls } from "./calls.ts";
import { type Kernel, type KernelName, PANEL, product as word } from "./descriptions.ts";
import { createKernel } from "./kernel.ts";
import { type Layout, layOut, type Rows } from "./layout.ts";
import { mapFeatures } from "./map-features.ts";
import type { Plan } from "./plan.ts";

/** Lines that go through the layers together: few enough for the caches, enough for the product's tiles. */
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
  /** Input value of each level. */
  readonly #inputs: Float32Array;
  readonly #cumulative: Uint32Array;
  #conditioned = false;
  /** Factors of the logits with and without the condition; null in a canvas that is not guided. */
  #guidance: readonly [number, number] | null = null;
  /** Line 0 of the current row of the input, as an index of a float32. */
  #current = 0;
  #row = -1;

  /** `guided`: each image takes two lanes, with and without its condition, and their logits are joined. */
  constructor(plan: Plan, kernel: KernelName, count: number, width: number, guided = false) {
    const { levels } = plan.config;
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
    const step = Math.fround(2 / (levels - 1));
    this.#inputs = Float32Array.from({ length: levels }, (_, level) => Math.fround(Math.fround(level * step) - 1));
  }

  /** Begins new images: row -1. What earlier images left behind is never read. */
  begin({ conditions, temperature = 1, guidance = 0 }: CanvasOptions = {}): void {
    this.#row = -1;
    const scale = Math.fround(1 / temperature);
    if (!(scale > 0 && scale < Infinity)) fail("usage", `expected a positive temperature but received ${temperature}`);
    for (const d of this.#calls.frequencies) this.#floats[(d >> 2) + 3] = scale;

    if (!this.guided && guidance !== 0) fail("internal", `expected no guidance without room for it but received ${guidance}`);
    this.#guidance = this.guided ? [Math.fround(1 + guidance), Math.fround(guidance)] : null;

    const { layers, p, lanes } = this.#layout;
    this.#conditioned = conditions !== undefined;
    if (conditions !== undefined) this.#setConditions(conditions);
    for (const [i, { verticalCondition, horizontalCondition, vertical, link }] of this.#calls.layers.entries()) {
      if (this.#conditioned && this.plan.map === null) {
        this.#kernel.product(verticalCondition, 0, lanes);
        this.#kernel.product(horizontalCondition, 0, lanes);
      }
      // With a condition the sums go on from what nextRow puts in their place; without, from the bias itself.
      this.#setStart(vertical, p, this.plan.layers[i]!.vertical.bias);
      this.#setStart(link, layers[i]!.q, this.plan.layers[i]!.link.bias);
    }
  }

  /** Writes what V is multiplied with: classes and vectors as they are, maps as m(h) in the order of lines. The lanes of guidance get zeros. */
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
      const s = mapFeatures(map, conditions.subarray(image * D, (image + 1) * D));
      for (let row = 0, from = 0; row < height; row++) {
        for (let column = 0; column < width; column++, from += features) {
          const line = column * lanes + image;
          this.#floats.set(s.subarray(from, from + features), start + ((row * condition.row) >> 2) + line * features);
        }
      }
    }
  }

  #setStart(description: number, rows: Rows, bias: number): void {
    const at = description >> 2;
    this.#words[at + word.start] = this.#conditioned ? rows.base : 0;
    this.#words[at + word.startStride] = rows.stride;
    this.#words[at + word.bias] = this.#conditioned ? 0 : this.#layout.weights + 4 * bias;
  }

  /** Goes to the next row: computes its vertical stack, which looks at rows above only, and the links into the horizontal one. */
  nextRow(): void {
    const row = ++this.#row;
    const { x, p, layers, condition } = this.#layout;
    const perPixel = this.#conditioned && this.plan.map !== null;
    this.#current = (x.base + (row % x.slots) * x.row) >> 2;
    for (const [i] of this.plan.layers.entries()) {
      const calls = this.#calls.layers[i]!;
      const { q, v, verticalBias, horizontalBias } = layers[i]!;
      if (i === 0) this.#aimSide();
      this.#aimVertical(i);
      if (v !== null) this.#words[calls.verticalGate >> 2] = v.base + (row % v.slots) * v.row;
      if (perPixel) {
        for (const description of [calls.verticalCondition, calls.horizontalCondition])
          this.#words[(description >> 2) + word.list] = condition!.base + row * condition!.row;
      } else if (this.#conditioned) {
        this.#repeat(verticalBias!, p);
        this.#repeat(horizontalBias!, q);
      }
      for (let line = 0; line < this.lines; line += CHUNK) {
        const lines = Math.min(CHUNK, this.lines - line);
        if (perPixel) this.#kernel.product(calls.verticalCondition, line, lines);
        this.#kernel.product(calls.vertical, line, lines);
        if (i + 1 < this.plan.layers.length) this.#kernel.gate(calls.verticalGate, line, lines);
        if (perPixel) this.#kernel.product(calls.horizontalCondition, line, lines);
        this.#kernel.product(calls.link, line, lines);
      }
    }
  }

  /** Points the vertical taps of a layer at the rows that they read now; rows above the image are left out. */
  #aimVertical(index: number): void {
    const { up, kernel, radius, dilation, inputs, vertical } = this.plan.layers[index]!;
    const rows = index === 0 ? this.#layout.x : this.#layout.layers[index - 1]!.v!;
    const shift = index === 0 ? 1 : 0; // layer 1 looks strictly above: the one shift down by a row
    const distance = this.#layout.lanes * rows.stride;
    const at = this.#calls.layers[index]!.vertical >> 2;
    const skipped = Math.max(0, up - 1 - Math.floor((this.#row - shift) / dilation));
    let entry = at + word.list;
    for (let k = Math.min(skipped, up); k < up; k++) {
      const from = rows.base + ((this.#row - shift - (up - 1 - k) * dilation) % rows.slots) * rows.row;
      for (let m = 0; m < kernel; m++, entry += 3) {
        this.#words[entry] = from + (m - radius) * dilation * distance;
        this.#words[entry + 1] = rows.stride;
        this.#words[entry + 2] = inputs;
      }
    }
    this.#words[at + word.segments] = (entry - at - word.list) / 3;
    this.#words[at + word.weights] =
      this.#layout.weights + 4 * (vertical.weights + Math.min(skipped, up) * kernel * inputs * PANEL);
  }

  /** Points layer 1's horizontal taps at the current row of the input. */
  #aimSide(): void {
    const { radius } = this.plan.layers[0]!;
    const { x, lanes } = this.#layout;
    const { stride } = x;
    for (const [c, description] of this.#calls.layers[0]!.side.entries()) {
      for (let m = 0; m <= (c > 0 ? radius : radius - 1); m++) {
        const entry = (description >> 2) + word.list + 3 * m;
        this.#words[entry] = 4 * this.#current - (radius - m) * lanes * stride;
        this.#words[entry + 1] = stride;
        this.#words[entry + 2] = m < radius ? this.plan.config.channels : c; // mask A: the centre's earlier channels
      }
    }
  }

  /** Copies one line a lane into every column of a row. */
  #repeat(from: Rows, to: Rows): void {
    const block = (this.#layout.lanes * to.stride) >> 2;
    const start = to.base >> 2;
    this.#floats.copyWithin(start, from.base >> 2, (from.base >> 2) + block);
    for (let done = 1; done < this.width; ) {
      const more = Math.min(done, this.width - done);
      this.#floats.copyWithin(start + done * block, start, start + more * block);
      done += more;
    }
  }

  /**
   * The horizontal stack and the head of one channel group, for one column of the current row. Needs all earlier columns, and this
   * column's earlier channels: their groups computed, their levels set.
   */
  predict(channel: number, column: number): void {
    const { lanes } = this.#layout;
    for (let i = 0; i < this.#calls.layers.length; i++) this.#horizontal(i, channel, column * lanes, lanes);
    this.#head(channel, column * lanes, lanes);
  }

  /** The same for all groups of a whole row, whose levels are all set. A layer looks left at every group of the layer before. */
  predictRow(): void {
    const { channels } = this.plan.config;
    for (let line = 0; line < this.lines; line += CHUNK) {
      const lines = Math.min(CHUNK, this.lines - line);
      for (let i = 0; i < this.#calls.layers.length; i++) {
        for (let channel = 0; channel < channels; channel++) this.#horizontal(i, channel, line, lines);
      }
      for (let channel = 0; channel < channels; channel++) this.#head(channel, line, lines);
    }
  }

  #horizontal(index: number, channel: number, first: number, lines: number): void {
    const layer = this.#calls.layers[index]!;
    this.#kernel.product(layer.side[channel]!, first, lines);
    this.#kernel.gate(layer.gate[channel]!, first, lines);
    this.#kernel.product(layer.out[channel]!, first, lines);
  }

  #head(channel: number, first: number, lines: number): void {
    this.#kernel.product(this.#calls.hidden[channel]!, first, lines);
    this.#kernel.product(this.#calls.logits[channel]!, first, lines);
  }

  /** The n tables of K + 1 cumulative frequencies of one column, after {@link predict} or {@link predictRow}. Overwritten by the next call. */
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
    const { levels } = this.plan.config;
    const { base, stride } = this.#layout.logits[channel]!;
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
   * Where the interval of each set level starts and how wide it is, out of 2^24, for the whole row, after {@link predictRow}:
   * [W, C, n] into both arrays. What an encoder or a scorer needs, for less work than whole tables. Not of a guided canvas: a likelihood has
   * no guidance.
   */
  intervals(starts: Uint32Array, frequencies: Uint32Array): void {
    const { channels } = this.plan.config;
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
    const why = this.guided ? "the model's weights overflow, or the guidance is too strong" : "the model's weights overflow";
    fail("model", `expected finite logits but image ${image} has NaN or infinite ones at ${where}: ${why}`);
  }

  /** Sets one sub-pixel of each image of the current row. */
  setLevels(column: number, channel: number, levels: Uint8Array): void {
    const { channels } = this.plan.config;
    const { lanes } = this.#layout;
    const known = this.#layout.levels[channel]! + column * lanes;
    let at = this.#current + column * lanes * channels + channel;
    for (let lane = 0; lane < lanes; lane++, at += channels) {
      const level = levels[lane < this.count ? lane : lane - this.count]!;
      this.#floats[at] = this.#inputs[level]!;
      this.#bytes[known + lane] = level;
    }
  }
}
