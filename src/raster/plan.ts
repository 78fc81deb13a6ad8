/**
 * A model turned into the products that the kernel runs: weights packed in panels of eight outputs, f beside g, residual beside
 * skip, biases beside them. Depends on no image size. docs/determinism.md fixes the order of each sum; the order of the inputs
 * (weight rows) below is that order.
 */

import { mapOf } from "../models/condition.ts";
import type { ConditionConfig } from "../models/config.ts";
import { PANEL } from "./descriptions.ts";
import type { MapLayers } from "./map-features.ts";
import {
  checkParameters,
  conditionOf,
  conditionShapes,
  type LayerSize,
  layerSizes,
  type RasterConfig,
  type RasterModel,
} from "./parameters.ts";

/** One product's packed numbers: offsets count float32 numbers of {@link Plan.data}. */
export interface PackedProduct {
  readonly weights: number;
  /** -1 for none. */
  readonly bias: number;
  readonly inputs: number;
  /** Padded with zeros to a multiple of PANEL. */
  readonly outputs: number;
}

export interface PlanLayer extends LayerSize {
  /** Taps of the rows above (and, from layer 2 on, of this one) -> [f | g]. */
  readonly vertical: PackedProduct;
  /** [p_f, p_g] -> [f | g] of each group, one group after another. Begins with the horizontal bias. */
  readonly link: PackedProduct;
  /** Per group: left taps, then what the mask lets it see of the centre -> [f | g] of that group. No bias: it goes on from the link. */
  readonly side: readonly PackedProduct[];
  /** Per group: gated features of groups up to this -> [h | s] of that group; in the last layer only what the head reads. */
  readonly out: readonly PackedProduct[];
  /** h, or for a map m(h) at a pixel, -> [f | g], beginning with the bias; null without a condition. */
  readonly verticalCondition: PackedProduct | null;
  readonly horizontalCondition: PackedProduct | null;
}

export interface Plan {
  readonly config: RasterConfig;
  /** What the model can be conditioned on. */
  readonly condition: ConditionConfig | null;
  /** m(h) of a map condition; null for the other kinds. */
  readonly map: MapLayers | null;
  readonly layers: readonly PlanLayer[];
  /** Per group: what the head reads -> hidden features. */
  readonly hidden: readonly PackedProduct[];
  /** Per group: hidden features -> K logits. */
  readonly logits: readonly PackedProduct[];
  /** Widths in numbers, padded to PANEL. */
  readonly width: {
    /** F. */
    readonly vertical: number;
    /** F / C. */
    readonly group: number;
    /** S / C; 0 without skip connections. */
    readonly skip: number;
    /** R / C. */
    readonly hidden: number;
    readonly levels: number;
  };
  /** All weights and biases. */
  readonly data: Float32Array;
}

/** A rectangle of a parameter and where it goes in a product. */
interface Block {
  readonly from: Float32Array;
  /** Row length of `from`; all its rows are taken. */
  readonly columns: number;
  /** Columns `first .. first + count - 1` are taken. */
  readonly first: number;
  readonly count: number;
  /** Place of its corner. */
  readonly input: number;
  readonly output: number;
}

function padded(size: number): number {
  return Math.ceil(size / PANEL) * PANEL;
}

/** Checks the model and packs it. */
export function createPlan(model: RasterModel): Plan {
  const parameters = checkParameters(model);
  const { config } = model;
  const { channels: C, levels: K, features: F, depth: L, skip: S } = config;
  const R = config.head.features;
  const A = S > 0 ? S : F;
  const condition = conditionOf(config);
  const { V, map } = conditionShapes(config);
  const Fc = F / C;
  const width = { vertical: padded(F), group: padded(Fc), skip: padded(S / C), hidden: padded(R / C), levels: padded(K) };
  const groups = Array.from({ length: C }, (_, c) => c);
  const get = (name: string): Float32Array => parameters.get(name)!;

  const chunks: Float32Array[] = [];
  let length = 0;
  const append = (chunk: Float32Array): number => {
    chunks.push(chunk);
    length += chunk.length; // always a multiple of PANEL, so every chunk is aligned
    return length - chunk.length;
  };
  /** Packs weights and, unless `biases` is null, the bias. A block of a bias has one row and input 0. */
  const pack = (inputs: number, outputs: number, weights: readonly Block[], biases: readonly Block[] | null): PackedProduct => {
    const panels = new Float32Array(inputs * outputs);
    for (const block of weights) place(panels, inputs, block);
    const bias = new Float32Array(outputs);
    for (const block of biases ?? []) place(bias, 1, block);
    return { weights: append(panels), bias: biases === null ? -1 : append(bias), inputs, outputs };
  };

  /** The f and the g half of one parameter, side by side: `columns` of each, g's at `width`. */
  const halves = (name: string, columns: number, at: { input: number; output: number; width: number; group?: number }): Block[] =>
    ["f", "g"].map((half, i) => ({
      from: get(`${name}_${half}`),
      columns,
      first: at.group === undefined ? 0 : at.group * Fc,
      count: at.group === undefined ? columns : Fc,
      input: at.input,
      output: at.output + i * at.width,
    }));
  const vertical = { input: 0, output: 0, width: width.vertical };
  const grouped = (name: string): Block[] =>
    groups.flatMap((c) => halves(name, F, { input: 0, output: c * 2 * width.group, width: width.group, group: c }));

  const layers = layerSizes(config).map((size, i): PlanLayer => {
    const { kernel, radius, up, inputs } = size;
    const layer = `layer${i + 1}`;
    const last = i + 1 === L;
    const hasResidual = !last || S === 0;
    const residual = hasResidual ? width.group : 0;

    const side = groups.map((c) => {
      const seen = i === 0 ? c : (c + 1) * Fc;
      const left = halves(`${layer}.horizontal.W`, F, { input: 0, output: 0, width: width.group, group: c });
      const centre =
        seen === 0 ? [] : halves(`${layer}.centre${c}.W`, Fc, { input: radius * inputs, output: 0, width: width.group });
      return pack(radius * inputs + seen, 2 * width.group, [...left, ...centre], null);
    });
    const out = groups.map((c) => {
      const weights: Block[] = [];
      const biases: Block[] = [];
      if (hasResidual) {
        weights.push({ from: get(`${layer}.residual${c}.W`), columns: Fc, first: 0, count: Fc, input: 0, output: 0 });
        biases.push({ from: get(`${layer}.residual.b`), columns: F, first: c * Fc, count: Fc, input: 0, output: 0 });
      }
      if (S > 0) {
        weights.push({ from: get(`${layer}.skip${c}.W`), columns: S / C, first: 0, count: S / C, input: 0, output: residual });
        if (i === 0)
          biases.push({ from: get("skip.b"), columns: S, first: (c * S) / C, count: S / C, input: 0, output: residual });
      }
      return pack((c + 1) * Fc, residual + width.skip, weights, biases);
    });
    const conditions = (stack: string, blocks: (name: string) => Block[], outputs: number): PackedProduct | null =>
      V === 0 ? null : pack(V, outputs, blocks(`${layer}.${stack}.V`), blocks(`${layer}.${stack}.b`));

    return {
      ...size,
      vertical: pack(
        up * kernel * inputs,
        2 * width.vertical,
        halves(`${layer}.vertical.W`, F, vertical),
        halves(`${layer}.vertical.b`, F, vertical),
      ),
      link: pack(2 * F, C * 2 * width.group, grouped(`${layer}.link.W`), grouped(`${layer}.horizontal.b`)),
      side,
      out,
      verticalCondition: conditions("vertical", (name) => halves(name, F, vertical), 2 * width.vertical),
      horizontalCondition: conditions("horizontal", grouped, C * 2 * width.group),
    };
  });

  const head = (c: number, name: string, from: number, to: number, outputs: number): PackedProduct =>
    pack(
      (c + 1) * from,
      outputs,
      [{ from: get(`head.${name}${c}.W`), columns: to, first: 0, count: to, input: 0, output: 0 }],
      [{ from: get(`head.${name}.b`), columns: C * to, first: c * to, count: to, input: 0, output: 0 }],
    );
  const hidden = groups.map((c) => head(c, "hidden", A / C, R / C, width.hidden));
  const logits = groups.map((c) => head(c, "logits", R / C, K, width.levels));

  const data = new Float32Array(length);
  let at = 0;
  for (const chunk of chunks) {
    data.set(chunk, at);
    at += chunk.length;
  }
  const from = mapOf(condition);
  const mapLayers: MapLayers | null =
    from === null
      ? null
      : {
          from,
          // Copies: a parameter may be a view of a whole file, which a message to a thread would take along.
          weights: map.map((_, k) => get(`map.layer${k + 1}.W`).slice()),
          height: config.height!,
          width: config.width!,
          features: V,
        };
  return { config, condition, map: mapLayers, layers, hidden, logits, width, data };
}

/** Copies a block into panels of `inputs` inputs. */
function place(panels: Float32Array, inputs: number, { from, columns, first, count, input, output }: Block): void {
  for (let row = 0; row < from.length / columns; row++) {
    for (let i = 0; i < count; i++) {
      const o = output + i;
      panels[(Math.floor(o / PANEL) * inputs + input + row) * PANEL + (o % PANEL)] = from[row * columns + first + i]!;
    }
  }
}
