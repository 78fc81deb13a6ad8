/**
 * `pixelcnn/graph`: typed ONNX graphs, derivatives and sessions by themselves; and the step language that networks are
 * written in.
 */

export { type GradOptions, grad } from "./autodiff/grad.ts";
export { PixelcnnError } from "./errors.ts";
export { dependencies, type SubPixels } from "./network/dependencies.ts";
export { networkOutputs } from "./network/graph.ts";
export { type Lookup, lookupFlat } from "./network/lookup.ts";
export {
  countOf,
  flatten,
  initialise,
  type ParameterMap,
  type ParameterSpec,
  unflatten,
} from "./network/parameters.ts";
export {
  above,
  bias,
  buildNetwork,
  condition,
  type FeatureMap,
  here,
  left,
  type Network,
  type NetworkBuilder,
  type Offset,
  plus,
  type Step,
  type Term,
  taps,
} from "./network/steps.ts";
export * as composites from "./onnx/composites.ts";
export { type Attribute, Graph, type Node, type Value } from "./onnx/graph.ts";
export * as ops from "./onnx/ops.ts";
export { openPool } from "./onnx/pool.ts";
export { printGraph } from "./onnx/print.ts";
export { type ProtoOptions, toOnnx } from "./onnx/proto.ts";
export {
  compile,
  configureRuntime,
  type Device,
  openSession,
  type Program,
  type RuntimeOptions,
  type Session,
  type SessionOptions,
} from "./onnx/session.ts";
export { type Random, randomFrom, restoreRandom } from "./random.ts";
export { type DType, type DTypes, type Shape, sizeOf, type Tensor, tensor } from "./tensor.ts";
