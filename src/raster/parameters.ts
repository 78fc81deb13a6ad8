/**
 * The parameters of docs/model.md: the name and shape of each, derived from a config, and the check that a model has exactly these.
 * The config type is structural and loose: what comes from a file is checked here.
 */

import { checkInteger, fail, show } from "../errors.ts";
import { conditionWidth, mapLayersOf, mapOf } from "../models/condition.ts";
import type { ConditionConfig } from "../models/config.ts";
import { type Shape, sameShape, type Tensor } from "../tensor.ts";

/** The fields of docs/model.md that the exact engine reads. */
export interface RasterConfig {
  readonly channels: number;
  readonly levels: number;
  readonly features: number;
  readonly depth: number;
  readonly firstKernel: number;
  readonly kernels: readonly number[];
  readonly dilations: readonly number[];
  readonly skip: number;
  readonly head: { readonly kind: string; readonly features: number };
  readonly condition: RasterCondition | null;
  /** Size of the images: needed, and read, for a condition that goes through m(h) alone, which fixes it. */
  readonly height?: number | undefined;
  readonly width?: number | undefined;
}

/** What a model can be conditioned on (docs/conditioning.md), as a config read from anywhere says it: {@link conditionOf} checks it. */
export interface RasterCondition {
  /** "class", "vector" or "map"; the others are the fields of one kind each. */
  readonly kind: string;
  readonly classes?: readonly string[] | undefined;
  readonly size?: number | undefined;
  readonly scale?: number | undefined;
  readonly height?: number | undefined;
  readonly width?: number | undefined;
  readonly channels?: number | undefined;
  readonly features?: number | undefined;
}

export interface RasterModel {
  readonly config: RasterConfig;
  readonly parameters: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;
}

/** Kernel size and reach of one layer. */
export interface LayerSize {
  /** n, odd. */
  readonly kernel: number;
  readonly dilation: number;
  /** r = (n - 1) / 2: taps on the left. */
  readonly radius: number;
  /** Rows of the vertical kernel. */
  readonly up: number;
  /** Input features: C in the first layer, later F. */
  readonly inputs: number;
}

/** Layers 1 .. L, first to last. */
export function layerSizes(config: RasterConfig): LayerSize[] {
  return Array.from({ length: config.depth }, (_, i) => {
    const kernel = i === 0 ? config.firstKernel : config.kernels[(i - 1) % config.kernels.length]!;
    const dilation = i === 0 ? 1 : config.dilations[(i - 1) % config.dilations.length]!;
    const radius = (kernel - 1) / 2;
    return { kernel, dilation, radius, up: radius + 1, inputs: i === 0 ? config.channels : config.features };
  });
}

/** Throws unless the exact engine can run such a model. */
function checkConfig(config: RasterConfig): void {
  checkInteger("channels", config.channels, 1);
  checkInteger("levels", config.levels, 2, 256); // 256 levels: the last for which the frequencies' products stay below 2^53
  checkInteger("features", config.features, 1);
  checkInteger("depth", config.depth, 1);
  checkInteger("skip", config.skip, 0);
  checkInteger("head.features", config.head.features, 1);
  for (const [name, sizes] of Object.entries({ firstKernel: [config.firstKernel], kernels: config.kernels })) {
    if (sizes.length === 0 || !sizes.every((n) => Number.isInteger(n) && n >= 3 && n % 2 === 1)) {
      fail("model", `expected odd kernel sizes of at least 3 for ${name} but received ${show(sizes)}`);
    }
  }
  if (config.dilations.length === 0) fail("model", "expected at least one dilation but received []");
  for (const dilation of config.dilations) checkInteger("dilations", dilation, 1);
  for (const [name, size] of Object.entries({
    features: config.features,
    skip: config.skip,
    "head.features": config.head.features,
  })) {
    if (size % config.channels !== 0)
      fail("model", `expected a multiple of channels (${config.channels}) for ${name} but received ${size}`);
  }
  if (config.head.kind !== "categorical")
    fail("model", `expected a "categorical" head for the exact engine but received ${show(config.head.kind)}`);
  if (mapOf(conditionOf(config))) {
    checkInteger("height, which a map condition needs,", config.height, 1);
    checkInteger("width, which a map condition needs,", config.width, 1);
  }
}

/** The condition of a config, checked. */
export function conditionOf({ condition }: RasterConfig): ConditionConfig | null {
  if (condition === null) return null;
  const { kind, classes, size, scale, height, width, channels, features } = condition;
  if (kind === "class") {
    if (!Array.isArray(classes) || classes.length < 2 || !classes.every((name) => typeof name === "string"))
      fail("model", `expected the names of at least two classes for condition.classes but received ${show(classes)}`);
    return { kind, classes: [...classes] };
  }
  if (kind === "vector") {
    if (scale !== undefined && !(typeof scale === "number" && scale > 0 && Number.isFinite(scale)))
      fail("model", `expected a number above 0 for condition.scale but received ${show(scale)}`);
    return {
      kind,
      size: checkInteger("condition.size", size, 1),
      ...(scale === undefined ? {} : { scale }),
      ...(features === undefined ? {} : { features: checkInteger("condition.features", features, 1) }),
    };
  }
  if (kind !== "map")
    return fail(
      "model",
      `expected a "class", "vector" or "map" condition or none for the exact engine but received ${show(kind)}`,
    );
  return {
    kind,
    height: checkInteger("condition.height", height, 1),
    width: checkInteger("condition.width", width, 1),
    channels: checkInteger("condition.channels", channels, 1),
    features: checkInteger("condition.features", features, 1),
  };
}

/** Rows of every V (0 without a condition), and the shapes of the layers of m(h). */
export function conditionShapes(config: RasterConfig): { readonly V: number; readonly map: readonly Shape[] } {
  const condition = conditionOf(config);
  if (condition === null) return { V: 0, map: [] };
  const [height, width] = [config.height ?? 0, config.width ?? 0]; // read for a map alone, where both are given
  const V = conditionWidth(condition, height, width);
  const from = mapOf(condition);
  const layers = from ? mapLayersOf(from, height, width) : 0;
  return { V, map: Array.from({ length: layers }, (_, k) => [4, 4, k === 0 ? from!.inputs : V, V]) };
}

/** Name and shape of every parameter, in the order of docs/model.md. */
export function parameterShapes(config: RasterConfig): Map<string, Shape> {
  const { channels: C, levels: K, features: F, depth: L, skip: S } = config;
  const R = config.head.features;
  const A = S > 0 ? S : F; // what the head reads
  const { V, map } = conditionShapes(config);
  const shapes = new Map<string, Shape>(map.map((shape, k) => [`map.layer${k + 1}.W`, shape]));
  const both = (prefix: string, suffix: string, shape: Shape): void => {
    for (const half of ["f", "g"]) shapes.set(`${prefix}.${suffix}_${half}`, shape);
  };
  for (const [i, { kernel, radius, up, inputs }] of layerSizes(config).entries()) {
    const layer = `layer${i + 1}`;
    for (const [stack, shape] of [
      ["vertical", [up, kernel, inputs, F]],
      ["horizontal", [radius, inputs, F]],
    ] as const) {
      both(`${layer}.${stack}`, "W", shape);
      both(`${layer}.${stack}`, "b", [F]);
      if (V > 0) both(`${layer}.${stack}`, "V", [V, F]);
    }
    both(`${layer}.link`, "W", [2 * F, F]);
    for (let c = 0; c < C; c++) {
      const seen = i === 0 ? c : ((c + 1) * F) / C; // mask A, then mask B
      if (seen > 0) both(`${layer}.centre${c}`, "W", [seen, F / C]);
    }
    const hasResidual = i + 1 < L || S === 0;
    for (let c = 0; c < C; c++) {
      const seen = ((c + 1) * F) / C;
      if (hasResidual) shapes.set(`${layer}.residual${c}.W`, [seen, F / C]);
      if (S > 0) shapes.set(`${layer}.skip${c}.W`, [seen, S / C]);
    }
    if (hasResidual) shapes.set(`${layer}.residual.b`, [F]);
  }
  if (S > 0) shapes.set("skip.b", [S]);
  for (let c = 0; c < C; c++) {
    shapes.set(`head.hidden${c}.W`, [((c + 1) * A) / C, R / C]);
    shapes.set(`head.logits${c}.W`, [((c + 1) * R) / C, K]);
  }
  shapes.set("head.hidden.b", [R]);
  shapes.set("head.logits.b", [C, K]);
  return shapes;
}

/** The numbers of every parameter, after checking that the model has exactly those it should, finite and of the right shape. */
export function checkParameters({ config, parameters }: RasterModel): Map<string, Float32Array> {
  checkConfig(config);
  const given = new Map<string, Tensor>(parameters instanceof Map ? parameters : Object.entries(parameters));
  const shapes = parameterShapes(config);
  const checked = new Map<string, Float32Array>();
  for (const [name, shape] of shapes) {
    const received = given.get(name);
    if (received === undefined) fail("model", `expected a parameter ${name} of shape [${shape}] but the model has none`);
    if (received.dtype !== "float32" || !(received.data instanceof Float32Array)) {
      fail("model", `expected float32 numbers for parameter ${name} but received ${received.dtype}`);
    }
    if (!sameShape(received.shape, shape)) {
      fail("model", `expected shape [${shape}] for parameter ${name} but received [${received.shape}]`);
    }
    const bad = received.data.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) fail("model", `expected finite numbers for parameter ${name} but received ${received.data[bad]} at ${bad}`);
    checked.set(name, received.data);
  }
  for (const name of given.keys()) {
    if (!shapes.has(name)) fail("model", `expected no parameter ${show(name)}: a model of this config has none of that name`);
  }
  return checked;
}
