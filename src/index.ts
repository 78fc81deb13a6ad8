/** The public API that runs anywhere, in Node and in browsers: re-exports only. What needs files is in node.ts. */

// The floor.

export { type ErrorKind, PixelcnnError } from "./errors.ts";
export { type Random, randomFrom, restoreRandom } from "./random.ts";
export { type DType, type DTypes, type Shape, sizeOf, type Tensor, tensor } from "./tensor.ts";

// Graphs: build, differentiate, print, serialise, run.

export { grad } from "./autodiff/grad.ts";
export * as composites from "./onnx/composites.ts";
export { type Attribute, Graph, type Node, type Value } from "./onnx/graph.ts";
export * as ops from "./onnx/ops.ts";
export { openPool } from "./onnx/pool.ts";
export { printGraph } from "./onnx/print.ts";
export { type ProtoOptions, toOnnx } from "./onnx/proto.ts";
export { compile, DEVICES, type Device, openSession, type Program, type Session, type SessionOptions } from "./onnx/session.ts";

// Models: config, parameters, layers, heads.

export { type AutoencoderConfig, decoderConfig, decoderParameters } from "./models/autoencoder.ts";
export { layersOf, type PixelcnnConfig, type PixelcnnInput } from "./models/config.ts";
export type { EmbedderConfig } from "./models/embedder.ts";
export {
  codeSize,
  encoderGraph,
  type LossInputs,
  lossUnit,
  type ModelConfig,
  type ModelInput,
  type ModelInputs,
  modelInputs,
  modelLoss,
  modelParameters,
  reconstructionGraph,
  resolveModel,
} from "./models/families.ts";
export { categorical } from "./models/heads/categorical.ts";
export type { Head } from "./models/heads/head.ts";
export { headOf } from "./models/heads/heads.ts";
export { pixelcnnLogProbability, pixelcnnOutputs } from "./models/log-probability.ts";
export { type Model, pixelcnnOf } from "./models/model.ts";
export { networkOf, pixelcnnParameters } from "./models/networks.ts";
export { readSafeTensors, type SafeTensors, writeSafeTensors } from "./models/safetensors.ts";
export { resolvePixelcnn } from "./models/schema.ts";
export { causalProduct } from "./network/causal-product.ts";
export { dependencies } from "./network/dependencies.ts";
export { type Lookup, lookupFlat } from "./network/lookup.ts";
export {
  checkParameters,
  countOf,
  flatten,
  initialise,
  type ParameterSpec,
  type Parameters,
  unflatten,
} from "./network/parameters.ts";
export { type FileContents, type ModelFiles, modelFiles, type TrainedModel } from "./runs/model-files.ts";
export { type OpenedModel, openModel, openPixelcnn } from "./runs/open-model.ts";
export { shippedModels } from "./runs/shipped-models.ts";
export { type TrainModelOptions, trainModel } from "./runs/train-model.ts";
export { type RunConfig, type RunDraft, resolveRun, type TrainConfig } from "./train/config.ts";
export { type StepEvent, type TrainEvent, type TrainOptions, train } from "./train/loop.ts";

// Data in memory, and the transforms of any data set.

export { type Augmentation, augment } from "./data/augment.ts";
export {
  asSplit,
  type Batch,
  binariseStochastically,
  concatenate,
  type Dataset,
  datasetFromArrays,
  datasetOf,
  quantise,
  splitBySeed,
  subset,
  threshold,
} from "./data/dataset.ts";
export { type Npy, readNpy, writeNpy } from "./data/npy.ts";
export { labelsOf, splitByClass } from "./data/split-by-class.ts";
export { thumbnailOf, withThumbnails } from "./data/thumbnails.ts";
export { type Variants, withVectors } from "./data/with-vectors.ts";

// What a model is asked for.

// The codec has the name encodeImages too.
export { decode, type EncodeOptions as CodeOptions, encode } from "./measure/encode.ts";
export { describeEvaluation, type Evaluation, evaluate } from "./measure/evaluate.ts";
export { EXPORT_KINDS, type ExportKind, type ExportOptions, exportOnnx } from "./measure/export.ts";
export { completeByFullPasses, type FullPassOptions, sampleByFullPasses } from "./measure/full-pass.ts";
export { type Likelihood, type LikelihoodOptions, likelihood, likelihoodGraph } from "./measure/likelihood.ts";
export { type Verification, verification, verifyPairs } from "./measure/verification.ts";

// The exact engine: the same bits on every machine.

export {
  type CompleteOptions,
  type Condition,
  createEngine,
  type Engine,
  type EngineOptions,
  type GivenImages,
  type Images,
  type SampleOptions,
} from "./exact/engine.ts";
export type { ExactModel } from "./exact/plan.ts";
export { type Thread, webThread } from "./exact/workers.ts";

// The codec: images to .pxc files and back.

export {
  type CodecImage,
  type CodecOptions,
  type CodecProgress,
  type DecodedImage,
  type DecodeOptions,
  decodeArchive,
  decodeGroups,
  decodeOneGroup,
  type EncodeOptions,
  encodeImages,
  encodeSingle,
} from "./codec/codec.ts";
export { type Archive, type ArchiveHeader, openPxc, type PxcFile, type Single } from "./codec/container.ts";
export { modelDigest, modelManifest } from "./codec/digest.ts";
export { type EnginePredictor, enginePredictor } from "./codec/engine-predictor.ts";
export { decodeStream, encodeStream, type StreamOptions } from "./codec/group-coder.ts";
export { type GroupThread, type GroupThreads, openGroupThreads } from "./codec/group-threads.ts";
export type { Predictor } from "./codec/predictor.ts";
export { type DecodedPrefix, decodePrefix, type PartialImage } from "./codec/prefix.ts";
export { safeNames } from "./codec/safe-names.ts";
export { type LostImages, type Salvage, type SalvageOptions, salvageArchive } from "./codec/salvage.ts";
