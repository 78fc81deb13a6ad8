/** `pixelcnn/node`: all of index.ts, and what needs files, processes or Node's threads. Re-exports only. */

// The codec's parts, to write files of many groups or to rescue damaged ones.

export {
  type CodecImage,
  type DecodedImage,
  decodeArchive,
  decodeGroups,
  encodeImages,
  encodeSingle,
} from "./codec/codec.ts";
export { openPxc } from "./codec/container.ts";
export { type EnginePredictor, enginePredictor } from "./codec/engine-predictor.ts";
export { type GroupThreads, openGroupThreads } from "./codec/group-threads.ts";
export { type Salvage, salvageArchive } from "./codec/salvage.ts";
export { namedSets } from "./data/named.ts";
export { type DataEvents, openData, openSplits } from "./data/open.ts";
export * from "./index.ts";
export { appendLog, createRun, loadState, readRunConfig, saveCheckpoint } from "./runs/run-folder.ts";
export { type ReadyRun, type RunWish, resumeRun, startRun } from "./runs/start-run.ts";
export {
  type RunEvent,
  type RunProgress,
  type TrainRunOptions,
  type TrainRunResult,
  trainRun,
} from "./runs/train-run.ts";
export { type CaptionOptions, type CaptionVectors, captionVectors } from "./text/caption-vectors.ts";
export { embedTexts, sentenceEmbedder, type TextEmbedder } from "./text/sentence-vectors.ts";
