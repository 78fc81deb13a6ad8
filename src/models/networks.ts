/**
 * The families that give an image a probability, a row each: what their configs hold, the network that one stands for,
 * and what decides its numbers. A new family is a page like gated-pixelcnn.ts and a row here. Free of zod and of ONNX's
 * runtime: the exact engine reads this in pages too.
 */

import { fail, show } from "../errors.ts";
import { networkParameters } from "../network/declarations.ts";
import type { ParameterSpec } from "../network/parameters.ts";
import type { Network } from "../network/steps.ts";
import { mapOf } from "./condition.ts";
import {
  type ConditionConfig,
  diagonalBilstmFields,
  type GatedConfig,
  gatedFields,
  type PixelcnnConfig,
  plainFields,
  rowLstmFields,
} from "./config.ts";
import { diagonalBilstm } from "./diagonal-bilstm.ts";
import { checkFields, type Fields, kindOf, optional } from "./fields.ts";
import { gatedPixelcnn } from "./gated-pixelcnn.ts";
import { plainPixelcnn } from "./plain-pixelcnn.ts";
import { rowLstm } from "./row-lstm.ts";

export type FamilyName = PixelcnnConfig["family"];
type ConfigOf<N extends FamilyName> = Extract<PixelcnnConfig, { family: N }>;

interface Row<C extends PixelcnnConfig> {
  /** Its name in a sentence, such as "a PixelCNN". */
  readonly title: string;
  readonly fields: Fields;
  /** Fields that are divided into one group per channel, so that channels must divide them, by their path. */
  grouped(config: C): Readonly<Record<string, number>>;
  network(config: C): Network;
  /** Features of the widest map of a pixel: what decides how many images fit in a cache together. */
  widest(config: C): number;
  /**
   * The fields that decide frequencies, for the digest that archives name a model by; another must not slip in, or old
   * archives would not open. An option appears only when it is on.
   */
  identity(config: C): object;
}

const ROWS: { readonly [N in FamilyName]: Row<ConfigOf<N>> } = {
  "gated-pixelcnn": {
    title: "a Gated PixelCNN",
    fields: gatedFields,
    grouped: ({ features, skip, head, perceptron = 0 }) => ({
      features,
      skip,
      "head.features": head.features,
      perceptron,
    }),
    network: gatedPixelcnn,
    widest: ({ features }) => features,
    identity: ({
      features,
      depth,
      firstKernel,
      kernels,
      dilations,
      skip,
      columnEvery,
      position,
      bits,
      perceptron,
    }) => ({
      features,
      depth,
      firstKernel,
      kernels,
      dilations,
      skip,
      ...(columnEvery ? { columnEvery } : {}),
      ...(position ? { position } : {}),
      ...(bits ? { bits } : {}),
      ...(perceptron ? { perceptron } : {}),
    }),
  },
  pixelcnn: {
    title: "a PixelCNN",
    fields: plainFields,
    grouped: ({ features, head }) => ({ features, "head.features": head.features }),
    network: plainPixelcnn,
    widest: ({ features }) => 2 * features,
    identity: ({ family, features, depth, firstKernel, kernels, dilations }) => ({
      family,
      features,
      depth,
      firstKernel,
      kernels,
      dilations,
    }),
  },
  "row-lstm": {
    title: "a Row LSTM",
    fields: rowLstmFields,
    grouped: ({ features, head }) => ({ features, "head.features": head.features }),
    network: rowLstm,
    widest: ({ features }) => 4 * features,
    identity: ({ family, features, depth, firstKernel, kernel }) => ({ family, features, depth, firstKernel, kernel }),
  },
  "diagonal-bilstm": {
    title: "a Diagonal BiLSTM",
    fields: diagonalBilstmFields,
    grouped: ({ features, head }) => ({ features, "head.features": head.features }),
    network: diagonalBilstm,
    widest: ({ features }) => 4 * features,
    identity: ({ family, features, depth, firstKernel }) => ({ family, features, depth, firstKernel }),
  },
};

const rowOf = <C extends PixelcnnConfig>({ family }: C): Row<C> => ROWS[family] as unknown as Row<C>;

/** Fields of each family's config. */
export const networkFields: readonly Fields[] = Object.values(ROWS).map(({ fields }) => fields);

/** A family's name in a sentence. */
export const networkTitle = (config: PixelcnnConfig): string => rowOf(config).title;

/** The layers, in words. */
export function describeLayers(config: PixelcnnConfig): string {
  const { depth, features, firstKernel, head } = config;
  const then =
    "kernels" in config
      ? `, then ${config.kernels}, dilations ${config.dilations}`
      : "kernel" in config
        ? `, then ${config.kernel}`
        : "";
  const levels = head.kind === "mixture" ? `, a mixture of ${head.components} logistics` : "";
  return `${depth} layers of ${features} features, first kernel ${firstKernel}${then}${levels}`;
}

/** The network that a config stands for. */
export const networkOf = (config: PixelcnnConfig): Network => rowOf(config).network(config);

/** Every parameter of the network: name, shape, first values. */
export const pixelcnnParameters = (config: PixelcnnConfig): ParameterSpec[] => networkParameters(networkOf(config));

/**
 * Whether a graph of the network is unrolled, wave after wave: then images cost least when they go through together.
 */
export const isUnrolled = (config: PixelcnnConfig): boolean =>
  networkOf(config).steps.some(({ step }) => step === "cell" || step === "blend");

/** Numbers of the largest layer, per image. */
export const largestMap = (config: PixelcnnConfig): number =>
  config.height * config.width * rowOf(config).widest(config);

/** Problems of a config that no field has by itself: its path and, in words, what was expected. */
export function configProblems(config: PixelcnnConfig): { path: string; message: string }[] {
  const { channels, condition } = config;
  if (condition?.kind === "vector" && condition.linear !== undefined && condition.features === undefined) {
    const message = `expected features of m(h) beside the linear ones but received ${condition.linear} linear alone`;
    return [{ path: "condition.features", message }];
  }
  const problem = config.family === "gated-pixelcnn" ? optionProblem(config) : null;
  if (problem) return [problem];
  return Object.entries(rowOf(config).grouped(config)).flatMap(([path, value]) => {
    if (value % channels === 0) return [];
    const message =
      `expected a multiple of channels (${channels}) for ${path} but received ${value}: features come ` +
      "in one group a channel";
    return [{ path, message }];
  });
}

/** What is wrong with the options of a Gated PixelCNN. */
function optionProblem(config: GatedConfig): { path: string; message: string } | null {
  const { position, bits, depth, channels, head, condition } = config;
  const received = (path: string, expected: string, value: number): { path: string; message: string } => ({
    path,
    message: `${expected} but received ${value}`,
  });
  if (bits !== undefined && channels > 1 && head.kind !== "categorical")
    return received("bits", "expected none beside a mixture of logistics over several channels", bits);
  if (position !== undefined && mapOf(condition))
    return received(
      "position",
      "expected none beside a condition that differs by place, which tells positions apart,",
      position,
    );
  if (position !== undefined && position > depth)
    return received("position", `expected a layer from 2 to ${depth} for position`, position);
  return null;
}

/**
 * Checks what a file says of a model, for the exact engine. Strict as to what it reads, loose as to the rest. Without a
 * family it is a Gated PixelCNN; height and width are needed only where a condition goes through m(h), which fixes
 * them.
 */
export function checkPixelcnn(given: unknown): PixelcnnConfig {
  const family = (Object(given) as { family?: unknown }).family ?? "gated-pixelcnn";
  const fields = networkFields.find((table) => kindOf(table, "family") === family);
  if (!fields)
    return fail(
      "model",
      `expected a model of family ${Object.keys(ROWS).map(show).join(" or ")} for the exact engine but received ` +
        `${show(family)}`,
    );
  const { height, width } = fields as typeof gatedFields;
  const anySize = { ...fields, height: optional(height), width: optional(width) };
  const config = checkFields(anySize, given) as unknown as PixelcnnConfig;
  const [problem] = configProblems(config);
  if (problem) fail("model", problem.message);
  if (fixesSize(config) && (config.height === undefined || config.width === undefined))
    fail(
      "model",
      "expected the image's height and width beside " +
        `${mapOf(config.condition) ? "a condition that goes through m(h)" : "a map of positions"} but received ` +
        `${show(config.height)} and ${show(config.width)}`,
    );
  return config;
}

/** The part of a config that decides frequencies: what an archive's digest covers. */
export function identityOf(config: PixelcnnConfig): object {
  const { channels, levels, head, condition, height, width } = config;
  return {
    ...rowOf(config).identity(config),
    channels,
    levels,
    head: headIdentity(head),
    condition: condition && conditionIdentity(condition),
    ...(fixesSize(config) ? { height, width } : {}),
  };
}

/** Whether a model takes images of one size alone: m(h) is cut to it, and a map of positions has it. */
const fixesSize = (config: PixelcnnConfig): boolean =>
  mapOf(config.condition) !== null || ("position" in config && config.position !== undefined);

/** `bins`: the version of the exact engine's rules for a mixture's bins; a change of these is a new version. */
const headIdentity = (head: PixelcnnConfig["head"]): object =>
  head.kind === "categorical"
    ? { kind: head.kind, features: head.features }
    : { kind: head.kind, features: head.features, components: head.components, bins: 1 };

/** Classes by their number: what they are called decides no frequency. */
function conditionIdentity(condition: ConditionConfig): object {
  switch (condition.kind) {
    case "class":
      return { kind: condition.kind, size: condition.classes.length };
    case "vector": {
      const { kind, size, scale = 1, features, linear } = condition;
      return {
        kind,
        size,
        // A scale of 1 is no scale.
        ...(scale === 1 ? {} : { scale }),
        ...(features === undefined ? {} : { features }),
        ...(linear === undefined ? {} : { linear }),
      };
    }
    case "map": {
      const { kind, height, width, channels, features } = condition;
      return { kind, height, width, channels, features };
    }
  }
}
