/** The public API in Node: all of index.ts, and what needs files or threads. Re-exports only. */

export { namedSets } from "./data/named.ts";
export { type DataEvents, type DataOptions, openData, openSplits } from "./data/open.ts";
export * from "./index.ts";
export { type CaptionOptions, type CaptionVectors, captionVectors } from "./text/caption-vectors.ts";
export { embedTexts, sentenceEmbedder, type TextEmbedder } from "./text/sentence-vectors.ts";
export {
  appendLog,
  createRun,
  loadModel,
  loadPixelcnn,
  loadState,
  type RunState,
  readRunConfig,
  saveCheckpoint,
} from "./train/checkpoint.ts";
export { type RunConfig, type RunDraft, resolveRun, type TrainConfig } from "./train/config.ts";
export { initialState, type StepEvent, type TrainEvent, type TrainOptions, train } from "./train/loop.ts";
export { openStepper, type StepInput, type Stepper, type StepperOptions, type StepResult } from "./train/stepper.ts";
