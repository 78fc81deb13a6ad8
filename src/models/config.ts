/**
 * What a model is, as data: the fields of each family that gives an image a probability. docs/model.md explains each;
 * schema.ts parses them.
 */

import {
  type Input,
  integer,
  integers,
  kernelSize,
  kinds,
  literal,
  names,
  type Output,
  oneOf,
  optional,
  positive,
  withDefault,
} from "./fields.ts";

const literalField = <V extends string>(value: V) => withDefault(literal(value), value);

/** What a model can be conditioned on; docs/conditioning.md. */
const classCondition = {
  kind: literal("class"),
  /** Names; class i of the data is entry i. */
  classes: names(2),
};
const vectorCondition = {
  kind: literal("vector"),
  /** Numbers in the condition, D. */
  size: integer(1),
  /**
   * What the network multiplies them by, so that each is about 1: the square root of D for vectors of length 1.
   * Default 1.
   */
  scale: optional(positive),
  /**
   * Feature maps of m(h), M: the vector as a map of one position, so that each place of the image gets its own
   * features. Default none: V h, the same everywhere.
   */
  features: optional(integer(1, 4096)),
  /**
   * Features of m(h) beside those, each a product of the vector with a matrix of its own at every place, L; wants
   * `features`. Default none.
   */
  linear: optional(integer(1, 64)),
};
const mapCondition = {
  kind: literal("map"),
  height: integer(1, 4096),
  width: integer(1, 4096),
  channels: integer(1, 4096),
  /** Feature maps of m(h), M. */
  features: withDefault(integer(1, 4096), 16),
};
export const conditionField = kinds(classCondition, vectorCondition, mapCondition);
export type ConditionConfig =
  | Output<typeof classCondition>
  | Output<typeof vectorCondition>
  | Output<typeof mapCondition>;

/** What every family's images are. */
export const imageFields = {
  /** Image size that the model trains on; the exact engine runs any other. */
  height: integer(1),
  width: integer(1),
  channels: integer(1, 16),
  /** Levels a sub-pixel can take, 2 .. 256. */
  levels: integer(2, 256),
};

/** Feature maps of the head's hidden layer, R; divisible by channels. */
const hiddenFeatures = withDefault(integer(1, 4096), 64);
/** What the network's outputs mean; heads/ has a file for each. */
const headField = withDefault(
  oneOf(
    { kind: literalField("categorical"), features: hiddenFeatures },
    /** `components`: logistics in the mixture, M. */
    { kind: literal("mixture"), features: hiddenFeatures, components: withDefault(integer(1, 100), 10) },
  ),
  { kind: "categorical", features: 64 },
);

/** Fields of the layers of a convolutional network. */
const layerFields = {
  /** Kernel size of layer 1; its dilation is 1. */
  firstKernel: withDefault(kernelSize, 7),
  /** Kernel sizes of layers 2 and on, cycled. */
  kernels: withDefault(integers(kernelSize), [3]),
  /** Dilations of layers 2 and on, cycled. */
  dilations: withDefault(integers(integer(1, 64)), [1]),
};

/** The Gated PixelCNN's layers and head, which an auto-encoder's decoder has too. */
export const gatedLayers = {
  /** Feature maps of every layer, F; divisible by channels. */
  features: withDefault(integer(1, 4096), 32),
  /** Gated layers, L. */
  depth: withDefault(integer(1, 200), 8),
  ...layerFields,
  /** Feature maps of the skip connections into the head, S; 0 for none. */
  skip: withDefault(integer(0, 4096), 32),
  /**
   * n: in layer 1 + n and every n-th after it the vertical stack also reads an LSTM's state that runs down the columns,
   * so that it knows of rows beyond the kernels' reach. Default none.
   */
  columnEvery: optional(integer(1, 200)),
  /** A layer, from 2, that learns a map of the image's positions: one number a feature and pixel. Default none. */
  position: optional(integer(2, 200)),
  /**
   * Bits of a level that the network reads beside its value, the highest first; at most as many as the levels have.
   * Default none.
   */
  bits: optional(integer(1, 8)),
  /** Hidden features of a perceptron behind each gate. Default none. */
  perceptron: optional(integer(1, 4096)),
  head: headField,
};

export const gatedFields = {
  family: literalField("gated-pixelcnn"),
  ...imageFields,
  ...gatedLayers,
  condition: withDefault(conditionField, null),
};
export type GatedConfig = Output<typeof gatedFields>;
export type GatedInput = Input<typeof gatedFields>;

export const plainFields = {
  family: literal("pixelcnn"),
  ...imageFields,
  /** Feature maps inside a residual block, F; the stream between blocks has 2 F. Divisible by channels. */
  features: withDefault(integer(1, 4096), 32),
  /** Layer 1 and the residual blocks, L. */
  depth: withDefault(integer(1, 200), 8),
  ...layerFields,
  head: headField,
  condition: withDefault(conditionField, null),
};
export type PlainConfig = Output<typeof plainFields>;

/** Fields of both PixelRNNs. */
const recurrentFields = {
  ...imageFields,
  /** Features of a state, F; the stream between layers has 2 F. Divisible by channels. */
  features: withDefault(integer(1, 4096), 32),
  /** The first convolution and the LSTM layers, L. */
  depth: withDefault(integer(2, 200), 5),
  /** Kernel size of the first convolution. */
  firstKernel: withDefault(kernelSize, 7),
};

export const rowLstmFields = {
  family: literal("row-lstm"),
  ...recurrentFields,
  /** Columns that input and state are read from. */
  kernel: withDefault(kernelSize, 3),
  head: headField,
  condition: withDefault(conditionField, null),
};
export type RowLstmConfig = Output<typeof rowLstmFields>;

export const diagonalBilstmFields = {
  family: literal("diagonal-bilstm"),
  ...recurrentFields,
  head: headField,
  condition: withDefault(conditionField, null),
};
export type DiagonalBilstmConfig = Output<typeof diagonalBilstmFields>;

/** A resolved config of a convolutional network. */
export type ConvolutionalConfig = GatedConfig | PlainConfig;
/** A resolved config of a model that gives an image a probability. */
export type PixelcnnConfig = ConvolutionalConfig | RowLstmConfig | DiagonalBilstmConfig;
/** What a user may write: every field with a default may be left out. */
export type PixelcnnInput =
  | GatedInput
  | Input<typeof plainFields>
  | Input<typeof rowLstmFields>
  | Input<typeof diagonalBilstmFields>;

/** What a head needs to know of a model. */
export type HeadConfig = Pick<PixelcnnConfig, "channels" | "levels" | "head">;

/** Whether states run down the columns in layer i, from 0. */
export const hasColumn = ({ columnEvery: n }: Pick<GatedConfig, "columnEvery">, i: number): boolean =>
  n !== undefined && i > 0 && i % n === 0;

export interface LayerShape {
  readonly kernel: number;
  readonly dilation: number;
}

/** Kernel and dilation of each layer, first to last. */
export function layersOf({
  depth,
  firstKernel,
  kernels,
  dilations,
}: Pick<ConvolutionalConfig, "depth" | "firstKernel" | "kernels" | "dilations">): LayerShape[] {
  return Array.from({ length: depth }, (_, i) =>
    i === 0
      ? { kernel: firstKernel, dilation: 1 }
      : { kernel: kernels[(i - 1) % kernels.length]!, dilation: dilations[(i - 1) % dilations.length]! },
  );
}
