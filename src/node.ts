/** The public API in Node: all of index.ts, and what needs files or threads. Re-exports only. */

export { namedSets } from "./data/named.ts";
export { type DataEvents, openData, openSplits } from "./data/open.ts";
export * from "./index.ts";
export { appendLog, createRun, loadState, readRunConfig, saveCheckpoint } from "./runs/run-folder.ts";
export { type CaptionOptions, type CaptionVectors, captionVectors } from "./text/caption-vectors.ts";
export { embedTexts, sentenceEmbedder, type TextEmbedder } from "./text/sentence-vectors.ts";
export { initialState, type RunState } from "./train/state.ts";
export { openStepper, type StepInput, type Stepper, type StepperOptions, type StepResult } from "./train/stepper.ts";
