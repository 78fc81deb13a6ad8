/**
 * The step language: a network as a value, a list of steps over named maps of features. A family of models (models/)
 * writes such a list once; the lowerings read it: ONNX graphs (graph.ts), the exact engine (exact/lower.ts), dependency
 * sets (dependencies.ts), and the naive oracle of the tests (naive.test-support.ts). Nothing here computes, and nothing
 * here knows a family, a layer or a parameter by name.
 *
 * A map has one vector of features per pixel. Offsets and masks say what a step reads; when it can run follows from
 * them (schedule.ts).
 */

import { fail } from "../errors.ts";

/** Rows down and columns to the right of the pixel that is computed; down is never above 0. */
export type Offset = readonly [down: number, right: number];

/**
 * Which channel groups a read sees at offset [0, 0]: all, those before its own (A), or those up to and with its own
 * (B). At any other offset a read sees all.
 */
export type Mask = "all" | "A" | "B";

export interface FeatureMap {
  readonly name: string;
  /** Features of each part, of all groups together. */
  readonly features: number;
  /** Features of each group, where groups differ: outputs alone. Default: equal shares. */
  readonly shares?: readonly number[] | undefined;
  /**
   * 1: one vector for the whole pixel. C: group c belongs to channel c, and may depend on the levels of the channels
   * before it.
   */
  readonly groups: number;
  /**
   * Parts that are computed side by side, such as f and g of a gate; a parameter `W` is then `W_f` and `W_g`. Empty for
   * one part.
   */
  readonly parts: readonly string[];
}

/** A parameter that a term owns: declared here and nowhere else. `{c}` in a name: one parameter per group. */
export interface Weights {
  readonly name: string;
  /**
   * Leading axes of its shape, such as rows and columns of a kernel; their product is the number of offsets. Default
   * none.
   */
  readonly axes?: readonly number[] | undefined;
  /** Number of inputs that the bound of its first values assumes. Default: all that the term reads. */
  readonly fan?: number | undefined;
  /** Multiplies its first values; 0 begins at zero. Default 1. */
  readonly gain?: number | undefined;
  /** Of a bias: the first value of each part that does not begin at zero; or, of one part, those of all its numbers. */
  readonly start?: Readonly<Record<string, number>> | readonly number[] | undefined;
}

/**
 * What a sum adds up. Terms that can be known before their row begins come first; the order of terms is the order of
 * the exact engine's sum.
 */
export type Term =
  /** One number a feature. Begins a sum. */
  | { readonly term: "bias"; readonly by: Weights }
  /** The model's condition, one vector per image or one per pixel, times a matrix. Begins a sum, behind the bias. */
  | { readonly term: "condition"; readonly by: Weights }
  /** A learned map, one number a feature and pixel of an image of one size, [H, W, features]. Begins a sum. */
  | { readonly term: "position"; readonly by: Weights }
  /** A map of the same features and parts: its own group alone, or its share of a map of one group. Begins a sum. */
  | { readonly term: "plus"; readonly map: FeatureMap; readonly at: Offset }
  /** The features at each offset times a matrix. */
  | {
      readonly term: "read";
      readonly map: FeatureMap;
      readonly at: readonly Offset[];
      readonly mask: Mask;
      readonly by: Weights;
    }
  /**
   * A row of a learned table for each level of the image at each offset, [offsets, C, K, out]; a mask leaves fewer C.
   */
  | {
      readonly term: "embed";
      readonly map: FeatureMap;
      readonly at: readonly Offset[];
      readonly mask: Mask;
      readonly by: Weights;
    };

export type Step =
  | { readonly step: "sum"; readonly out: FeatureMap; readonly terms: readonly Term[] }
  | { readonly step: "relu"; readonly out: FeatureMap; readonly of: FeatureMap }
  /** tanh(f) * logistic(g), of parts f and g. */
  | { readonly step: "gate"; readonly out: FeatureMap; readonly of: FeatureMap }
  /**
   * An LSTM cell, of parts o, f, i, g: c = logistic(f) * c[from] + logistic(i) * tanh(g), out = logistic(o) * tanh(c).
   * `out` is the state; the cell's own memory is kept beside it.
   */
  | { readonly step: "cell"; readonly out: FeatureMap; readonly of: FeatureMap; readonly from: Offset }
  /** z * out[from] + (1 - z) * tanh(c), z = logistic(part z), of parts z and c. */
  | { readonly step: "blend"; readonly out: FeatureMap; readonly of: FeatureMap; readonly from: Offset };

/** One transposed convolution of m(h), which brings a condition to the size of the image (models/condition-map.ts). */
export interface MapLayer extends Weights {
  /** [4, 4, in, out], unless said otherwise. */
  readonly shape: readonly number[];
}

/** The condition as the network meets it. */
export interface NetworkCondition {
  /** Numbers that each condition term multiplies: those of h, or of m(h) at a pixel. */
  readonly width: number;
  /** Whether they differ from pixel to pixel. */
  readonly perPixel: boolean;
  /** Layers of m(h), first to last. */
  readonly map: readonly MapLayer[];
  /** The linear path of m(h): [in, H, W, out]; its features come behind the layers'. */
  readonly linear?: MapLayer | undefined;
}

/**
 * How outputs become unnormalised log-probabilities of the levels in the exact engine: they are these themselves, or a
 * discretised logistic mixture whose means move with the pixel's earlier levels.
 */
export type LogWeights = "outputs" | "logistic mixture";

/** A name of a parameter; or a list of names, of which part f of all comes before part g of all. */
export type Order = readonly (string | readonly string[])[];

export interface Network {
  readonly channels: number;
  /** Levels of a sub-pixel, K. */
  readonly levels: number;
  /** The pixels: of each channel the level, scaled to -1 .. 1, and behind it bits of it where a model reads them. */
  readonly input: FeatureMap;
  readonly steps: readonly Step[];
  /** What the head reads, one group per channel. */
  readonly outputs: FeatureMap;
  readonly logWeights: LogWeights;
  readonly condition: NetworkCondition | null;
  /**
   * Order of the parameters, by name; those that are not listed come behind, as declared. It fixes what a seed draws.
   */
  readonly order: Order;
}

/** Numbers of a map's vector. */
export const widthOf = ({ features, parts }: FeatureMap): number => features * Math.max(1, parts.length);

/** Features of a part that belong to group c. */
export const featuresOf = (map: FeatureMap, c: number): number => featuresBefore(map, c + 1) - featuresBefore(map, c);

/** Features of a part that belong to the groups before group c; of all groups for c = groups. */
export const featuresBefore = ({ features, groups, shares }: FeatureMap, c: number): number =>
  shares ? shares.slice(0, c).reduce((sum, n) => sum + n, 0) : (c * features) / groups;

/** Terms, in the words of the papers. */

export const bias = (name: string, axes?: readonly number[], start?: Weights["start"]): Term => ({
  term: "bias",
  by: { name, axes, start },
});
export const condition = (name: string): Term => ({ term: "condition", by: { name } });
export const position = (
  name: string,
  { height, width }: { readonly height: number; readonly width: number },
): Term => ({
  term: "position",
  by: { name, axes: [height, width], gain: 0 },
});
export const plus = (map: FeatureMap, at: Offset = [0, 0]): Term => ({ term: "plus", map, at });
/** A convolution: all features of `map` at each offset. */
export const taps = (map: FeatureMap, at: readonly Offset[], name: string, by: Omit<Weights, "name"> = {}): Term => ({
  term: "read",
  map,
  at,
  mask: "all",
  by: { name, ...by },
});
/** A 1x1 product: `map` at the pixel itself. With a mask, one matrix per group, which `{c}` in the name stands for. */
export const here = (map: FeatureMap, mask: Mask, name: string, by: Omit<Weights, "name"> = {}): Term => ({
  term: "read",
  map,
  at: [[0, 0]],
  mask,
  by: { name, ...by },
});
/** A learned vector for each level at each offset, in place of its number times a weight. */
export const embed = (map: FeatureMap, at: readonly Offset[], mask: Mask, name: string): Term => ({
  term: "embed",
  map,
  at,
  mask,
  by: { name },
});

/** Offsets, farthest first: the order of every sum. */

/**
 * `rows` x `columns` pixels that end `shift` rows above the pixel, `dilation` apart: with 0 the own row is the last of
 * them.
 */
export function above(rows: number, columns: number, dilation = 1, shift = 0): Offset[] {
  const reach = (columns - 1) / 2;
  return Array.from({ length: rows * columns }, (_, i): Offset => {
    const [k, m] = [Math.floor(i / columns), i % columns];
    return [(k - (rows - 1)) * dilation - shift, (m - reach) * dilation];
  });
}

/** The `count` pixels to the left. */
export const left = (count: number, dilation = 1): Offset[] =>
  Array.from({ length: count }, (_, m): Offset => [0, (m - count) * dilation]);

export interface MapSpec {
  /** Of all groups together; or a list, the features of each group. */
  readonly features: number | readonly number[];
  /** Default: one group per channel. */
  readonly groups?: number;
  readonly parts?: readonly string[];
}

/** Writes a list of steps. Every method adds one, and gives back the map that it makes. */
export interface NetworkBuilder {
  readonly input: FeatureMap;
  /** A map that a step reads before another makes it: a recurrence. */
  declare(name: string, spec: MapSpec): FeatureMap;
  sum(name: string, spec: MapSpec, terms: readonly Term[]): FeatureMap;
  relu(name: string, of: FeatureMap): FeatureMap;
  gate(name: string, of: FeatureMap): FeatureMap;
  cell(state: FeatureMap, of: FeatureMap, from: Offset): FeatureMap;
  blend(state: FeatureMap, of: FeatureMap, from: Offset): FeatureMap;
  finish(
    outputs: FeatureMap,
    options?: { readonly logWeights?: LogWeights; readonly order?: Order | undefined },
  ): Network;
}

export interface NetworkSettings {
  readonly channels: number;
  readonly levels: number;
  readonly condition: NetworkCondition | null;
  /** Bits of a level that are read beside its value; default none. */
  readonly bits?: number | undefined;
}

export function buildNetwork({ channels, levels, condition, bits = 0 }: NetworkSettings): NetworkBuilder {
  const steps: Step[] = [];
  const made = new Set<string>();
  const input: FeatureMap = { name: "input", features: channels * (1 + bits), groups: channels, parts: [] };
  const names = new Set([input.name]);
  const declare: NetworkBuilder["declare"] = (name, { features, groups = channels, parts = [] }) => {
    if (names.has(name)) fail("internal", `expected a new name for a map but received ${name} twice`);
    names.add(name);
    if (typeof features !== "number") {
      if (features.length !== groups)
        fail(
          "internal",
          `expected the features of ${groups} groups for the map ${name} but received ${features.length} numbers`,
        );
      return { name, features: features.reduce((sum, n) => sum + n, 0), shares: features, groups, parts };
    }
    if (features % groups !== 0)
      fail("internal", `expected features in ${groups} equal groups for the map ${name} but received ${features}`);
    return { name, features, groups, parts };
  };
  const add = (step: Step): FeatureMap => {
    if (made.has(step.out.name))
      fail("internal", `expected one step to make the map ${step.out.name} but received two`);
    made.add(step.out.name);
    steps.push(step);
    return step.out;
  };
  /** A map of one part less: what a step makes of a map of several. */
  const like = (name: string, { features, groups }: FeatureMap): FeatureMap => declare(name, { features, groups });
  const recurrent = (state: FeatureMap, of: FeatureMap): void => {
    if (state.features !== of.features || state.groups !== of.groups)
      fail("internal", `expected ${of.features} features in ${of.groups} groups for the state ${state.name}`);
  };
  const inParts = (of: FeatureMap, ...parts: readonly string[]): FeatureMap => {
    if (of.parts.join() === parts.join()) return of;
    return fail(
      "internal",
      `expected parts ${parts.join(", ")} for the map ${of.name} but received ${of.parts.join(", ") || "none"}`,
    );
  };
  return {
    input,
    declare,
    // A term that sees nothing, such as a mask A of one channel, is left out: it has no parameter.
    sum(name, spec, terms) {
      const out = declare(name, spec);
      for (const term of terms) checkTerm(term, out, input);
      return add({ step: "sum", out, terms: terms.filter((t) => !seesNothing(t, condition)) });
    },
    relu: (name, of) => add({ step: "relu", out: declare(name, of), of }),
    gate: (name, of) => add({ step: "gate", out: like(name, of), of: inParts(of, "f", "g") }),
    cell(state, of, from) {
      recurrent(state, of);
      return add({ step: "cell", out: state, of: inParts(of, "o", "f", "i", "g"), from });
    },
    blend(state, of, from) {
      recurrent(state, of);
      return add({ step: "blend", out: state, of: inParts(of, "z", "c"), from });
    },
    finish: (outputs, { logWeights = "outputs", order = [] } = {}) => ({
      channels,
      levels,
      input,
      steps,
      outputs,
      logWeights,
      condition,
      order,
    }),
  };
}

function seesNothing(term: Term, condition: NetworkCondition | null): boolean {
  if (term.term === "condition") return condition === null;
  if (term.term !== "read" && term.term !== "embed") return false;
  return term.at.length === 0 || (term.mask === "A" && term.map.groups === 1);
}

/** Refuses a term that would not do what it says. */
function checkTerm(term: Term, out: FeatureMap, input: FeatureMap): void {
  const read = readOf(term);
  if (read === null) return;
  const { map, at, mask } = read;
  const where = `in the sum ${out.name}`;
  if (map.shares) fail("internal", `expected no read of ${map.name} ${where}: its groups differ in size`);
  if (mask !== "all" && map.groups !== 1 && map.groups !== out.groups)
    fail("internal", `expected ${out.groups} groups of ${map.name} ${where} but received ${map.groups}`);
  if (term.term === "plus" && (map.features !== out.features || map.parts.join() !== out.parts.join()))
    fail("internal", `expected the features and parts of ${out.name} ${where} but received those of ${map.name}`);
  if (term.term === "embed" && map !== input)
    fail("internal", `expected levels of the image ${where} but received ${map.name}`);
  // Else a parameter would hold numbers that the mask hides.
  if (
    mask !== "all" &&
    mask !== "own" &&
    map.groups > 1 &&
    !(at.length === 1 && "by" in term && term.by.name.includes("{c}"))
  )
    fail("internal", `expected one offset and one matrix a group for the mask ${mask} over ${map.name} ${where}`);
}

/** What a step reads, and at which offsets. "own": elementwise, a group reads its own alone, at any offset. */
export interface Read {
  readonly map: FeatureMap;
  readonly at: readonly Offset[];
  readonly mask: Mask | "own";
}

const HERE: readonly Offset[] = [[0, 0]];

/** All that one term reads. */
export function readOf(term: Term): Read | null {
  if (term.term === "read" || term.term === "embed") return term;
  return term.term === "plus" ? { map: term.map, at: [term.at], mask: "own" } : null;
}

/** All that a step reads. */
export function readsOf(step: Step): Read[] {
  if (step.step === "sum") return step.terms.flatMap((term) => readOf(term) ?? []);
  const of: Read = { map: step.of, at: HERE, mask: "own" };
  return "from" in step ? [of, { map: step.out, at: [step.from], mask: "own" }] : [of];
}

/** The groups of a map, from the first to before the last, that a read at an offset gives group c of its reader. */
export function groupsSeen(
  { map, mask }: Read,
  [down, right]: Offset,
  c: number,
): readonly [first: number, end: number] {
  if (map.groups === 1) return [0, 1];
  if (mask === "own") return [c, c + 1];
  if (down !== 0 || right !== 0 || mask === "all") return [0, map.groups];
  return [0, mask === "A" ? c : c + 1];
}
