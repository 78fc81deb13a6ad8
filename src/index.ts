/**
 * The library in Node and in browsers: re-exports only. What needs files or Node's threads is in node.ts, the graph
 * builder in graph.ts.
 */

// Models.

export { type ErrorKind, PixelcnnError } from "./errors.ts";
export type { LabelledProgress, OnProgress, Progress } from "./jobs.ts";
export type { ConditionValue } from "./models/condition.ts";
export type { ConditionConfig, PixelcnnConfig, PixelcnnInput } from "./models/config.ts";
export { type ModelConfig, type ModelInput, resolveModel } from "./models/families.ts";
export { type Model, pixelcnnOf } from "./models/model.ts";
export { configureRuntime, type Device, type RuntimeOptions } from "./onnx/session.ts";
export { type FileContents, type ModelFiles, modelFiles, type TrainedModel } from "./runs/model-files.ts";
export { type OpenedModel, openModel, openPixelcnn } from "./runs/open-model.ts";
export { shippedModels } from "./runs/shipped-models.ts";

// Training.

export { type PresetName, presetNames } from "./runs/presets.ts";
export { type TrainModelOptions, trainModel } from "./runs/train-model.ts";
export { type RunConfig, resolveRun, type TrainConfig } from "./train/config.ts";
export { type StepEvent, type TrainEvent, type TrainOptions, train } from "./train/loop.ts";
export { initialState, type RunState } from "./train/state.ts";

// Data in memory, and the transforms of any data set.

export { type Augmentation, augment } from "./data/augment.ts";
export {
  type Batch,
  binariseStochastically,
  concatenate,
  type Dataset,
  type DatasetImages,
  datasetFromArrays,
  datasetOf,
  imagesOf,
  quantise,
  splitBySeed,
  subset,
  threshold,
} from "./data/dataset.ts";
export { type Npy, readNpy, writeNpy } from "./data/npy.ts";
export type { DataOptions } from "./data/options.ts";
export { splitByClass } from "./data/split-by-class.ts";
export { thumbnailOf, withThumbnails } from "./data/thumbnails.ts";
export { type Variants, withVectors } from "./data/with-vectors.ts";

// Likelihood, latents, and what else a model can be asked on the throughput engine.

export { type Classification, type ClassifyOptions, classify } from "./measure/bayes.ts";
export { type CompareOptions, type ConditionComparison, compareConditions } from "./measure/compare-conditions.ts";
export { decode, type EncodeOptions, encode } from "./measure/encode.ts";
export { describeEvaluation, type Evaluation, evaluate } from "./measure/evaluate.ts";
export { type ExportKind, type ExportOptions, exportOnnx } from "./measure/export.ts";
export { completeByFullPasses, type FullPassOptions, sampleByFullPasses } from "./measure/full-pass.ts";
export { type Likelihood, type LikelihoodOptions, likelihood } from "./measure/likelihood.ts";
export { type Verification, verification } from "./measure/verification.ts";

// The exact engine: the same bits on every machine.

export {
  type CompleteOptions,
  type Condition,
  type Conditions,
  createEngine,
  type DrawnRow,
  type Engine,
  type EngineOptions,
  type GivenImages,
  type Images,
  type SampleOptions,
} from "./exact/engine.ts";
export type { ExactModel } from "./exact/plan.ts";
export { type Thread, webThread } from "./threads/thread.ts";

// The codec: images to .pxc files and back.

export {
  type ArchiveSummary,
  type CompressOptions,
  compress,
  type DecompressOptions,
  decompress,
  describeArchive,
  type ImageSet,
  type RestoredImage,
} from "./codec/compress.ts";
export { archiveModel } from "./codec/inner-model.ts";
export type { WeightPrecision } from "./codec/rounded-weights.ts";
export type { StoredModel } from "./codec/stored-model.ts";

// Pictures.

export { type Cells, gridOf, gridPng, pictureOf } from "./pictures/grid.ts";
export { fromImageData, type ImageDataLike, type LevelImages, toImageData } from "./pictures/image-data.ts";
