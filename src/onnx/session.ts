/**
 * Runs a graph on ONNX Runtime: its native build in Node, its WebAssembly build in a browser and where the native one
 * is missing. The only importer of either; package.json's `imports` keep the native one out of bundles for browsers.
 * Sessions copy nothing on the way in (CPU) and are silent; a device that is not there is an error that lists what
 * is.
 */

import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-common";
import { fail, show } from "../errors.ts";
import { inNode, warn } from "../platform.ts";
import { type DType, type DTypes, type Shape, sameShape, type Tensor, tensor } from "../tensor.ts";
import type { Graph } from "./graph.ts";
import { toOnnx } from "./proto.ts";

export const DEVICES = ["cpu", "webgpu", "cuda"] as const;
export type Device = (typeof DEVICES)[number];

export interface SessionOptions {
  /** Default `cpu`. */
  device?: Device | undefined;
  /** Threads inside one operator; default: the runtime's choice, one per core. Not used by GPUs. */
  threads?: number | undefined;
  /** Writes a Chrome trace of every operator to `<prefix>_<time>.json` (Node only). */
  profile?: string;
}

export interface Signature {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A graph made ready to send anywhere: its file and what goes in and out. */
export interface Program {
  readonly name: string;
  /** Operators of the graph. */
  readonly nodes: number;
  readonly bytes: Uint8Array;
  readonly inputs: readonly Signature[];
  readonly outputs: readonly Signature[];
}

export type Tensors = Readonly<Record<string, Tensor>>;

export interface Session {
  readonly device: Device;
  /** What computes. */
  readonly runtime: RuntimeKind;
  /** How many calls of `run` can go on at once to some use. */
  readonly lanes: number;
  /** Feeds every input by name; returns every output by name. Shapes and types are checked. */
  run(inputs: Tensors): Promise<Record<string, Tensor>>;
  close(): Promise<void>;
}

interface Runtime {
  readonly InferenceSession: typeof InferenceSession;
  readonly Tensor: typeof OrtTensor;
  readonly env?: { readonly wasm: { numThreads?: number; wasmPaths?: RuntimeOptions["wasmPaths"] } };
  listSupportedBackends?(): readonly { name: string; bundled: boolean }[];
}

/** Settings of ONNX Runtime's WebAssembly build, which browsers use, and Node where the native build is missing. */
export interface RuntimeOptions {
  /**
   * Where its .wasm and .mjs files are served: a folder's URL that ends in a slash, or a URL for each. Default: where
   * the bundler put them.
   */
  readonly wasmPaths?: string | { readonly wasm?: string; readonly mjs?: string };
  /**
   * Threads inside an operator. More than one needs a page that is cross-origin isolated. Default: the runtime's
   * choice.
   */
  readonly threads?: number;
}

let runtimeOptions: RuntimeOptions = {};

/** Sets options of the runtime for this page or process, before the first session opens. */
export function configureRuntime(options: RuntimeOptions): void {
  runtimeOptions = { ...runtimeOptions, ...options };
}

/** Which build runs: "native" or "wasm"; of a browser's WebGPU, "wasm" too, which is what drives it. */
export type RuntimeKind = "native" | "wasm";

/**
 * The native build would otherwise send usage data to its maker and keep files in the user's cache folder. To be
 * called in the main thread: the environment of a worker is a copy, which the native library does not see. Set the
 * variable to 0 to leave it on.
 */
export function switchTelemetryOff(): void {
  if (inNode) process.env.ORT_DISABLE_TELEMETRY ??= "1";
}

let missing: unknown;

/** Says, once, that Node computes without the native build. In a pool's thread nobody listens, so the pool says it. */
export function tellRuntime(kind: RuntimeKind): void {
  if (!inNode || kind === "native") return;
  warn(
    "onnxruntime-node cannot be loaded here, so ONNX Runtime's WebAssembly build computes in its place, " +
      "several times slower. If it is not installed: npm install --ignore-scripts onnxruntime-node",
  );
}

async function loadRuntime(device: Device): Promise<{ runtime: Runtime; kind: RuntimeKind }> {
  if (inNode && missing === undefined) {
    try {
      switchTelemetryOff();
      return { runtime: (await import("#onnxruntime")) as unknown as Runtime, kind: "native" };
    } catch (cause) {
      missing = cause;
    }
  }
  if (inNode && device !== "cpu")
    return fail("device", `expected onnxruntime-node for the ${device} device but it cannot be loaded here`, missing);
  const module = device === "webgpu" ? await import("onnxruntime-web/webgpu") : await import("onnxruntime-web/wasm");
  const runtime = module as unknown as Runtime;
  const { wasmPaths, threads } = runtimeOptions;
  if (runtime.env && wasmPaths !== undefined) runtime.env.wasm.wasmPaths = wasmPaths;
  // In Node the build's own choice is not to be had: it asks for the cores in a way that modules of Node 20 refuse.
  const most = threads ?? (inNode ? 1 : undefined);
  if (runtime.env && most !== undefined) runtime.env.wasm.numThreads = most;
  return { runtime, kind: "wasm" };
}

function presentDevices(runtime: Runtime): string[] {
  if (runtime.listSupportedBackends) {
    return runtime
      .listSupportedBackends()
      .filter((b) => b.bundled)
      .map((b) => b.name);
  }
  return typeof navigator !== "undefined" && "gpu" in navigator ? ["cpu", "webgpu"] : ["cpu"];
}

/**
 * onnxruntime-node refuses arrays over shared memory in Node before 24 (seen on 20): there, and there only, they are
 * copied.
 */
const copiesShared = inNode && Number(process.versions.node.split(".")[0]) < 24;
function acceptable(data: DTypes[DType]): DTypes[DType] {
  return copiesShared && data.buffer instanceof SharedArrayBuffer ? data.slice() : data;
}

/** The runtime's own words, without the C++ that follows them. */
function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  if (/RequestAdapter|No adapter|adapter_result/.test(text))
    return "no WebGPU adapter: it needs a GPU and its driver (Vulkan, Metal or Direct3D 12)";
  const line = text.split("\n")[0]!;
  return line.length > 240 ? `${line.slice(0, 237)}...` : line;
}

/** The runtime's files for a device, of which a page needs copies. */
function filesOf(device: Device): string {
  const name = device === "webgpu" ? "ort-wasm-simd-threaded.asyncify" : "ort-wasm-simd-threaded";
  return `${name}.mjs and ${name}.wasm`;
}

export function checkDevice(device: string): Device {
  const known = DEVICES.find((d) => d === device);
  return known ?? fail("usage", `expected one of ${DEVICES.join(", ")} for the device but received ${show(device)}`);
}

/** Serialises a graph with its signature. */
export function compile(graph: Graph): Program {
  return {
    name: graph.name,
    nodes: graph.nodes.length,
    bytes: toOnnx(graph),
    inputs: graph.inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    outputs: graph.outputs.map(({ name, value }) => ({ name, dtype: value.dtype, shape: value.shape })),
  };
}

/**
 * Operators above which the runtime's further optimisations take longer than they save: a recurrence of 8 streams over
 * 28x28 opens in minutes.
 */
const LARGE = 12_000;

/** Opens a program on a device. */
export async function openSession(program: Program, options: SessionOptions = {}): Promise<Session> {
  const session = await openQuietly(program, options);
  tellRuntime(session.runtime);
  return session;
}

/** The same without a word of which build runs. */
export async function openQuietly(program: Program, options: SessionOptions = {}): Promise<Session> {
  const { threads, profile } = options;
  const device = checkDevice(options.device ?? "cpu");
  const { runtime, kind } = await loadRuntime(device);
  const provider = device === "cpu" && kind === "wasm" ? "wasm" : device;
  let session: InferenceSession;
  try {
    session = await runtime.InferenceSession.create(program.bytes, {
      executionProviders: [provider],
      graphOptimizationLevel: program.nodes > LARGE ? "basic" : "all",
      logSeverityLevel: 3,
      ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
      ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
    });
  } catch (cause) {
    const reason = reasonOf(cause);
    if (kind === "wasm" && /fetching of the wasm|magic word|dynamically imported module|initWasm/.test(reason))
      return fail(
        "io",
        `cannot load ONNX Runtime's WebAssembly (${reason}). Where the bundler does not copy the files of packages, ` +
          "serve copies of " +
          `${filesOf(device)} from node_modules/onnxruntime-web/dist and name their folder before the first call: ` +
          'configureRuntime({ wasmPaths: "/ort/" }); see docs/web.md',
        cause,
      );
    if (device === "cpu")
      return fail("internal", `expected the runtime to accept graph ${program.name} but it said: ${reason}`, cause);
    const present = presentDevices(runtime).join(", ");
    return fail(
      "device",
      `expected a working ${device} device but the runtime could not start it (${reason}); built in here: ${present}`,
      cause,
    );
  }

  return {
    device,
    runtime: kind,
    lanes: 1,
    async run(values) {
      const feeds: Record<string, OrtTensor> = {};
      for (const { name, dtype, shape } of program.inputs) {
        const given =
          values[name] ??
          fail("internal", `expected a tensor for input ${name} of graph ${program.name} but received none`);
        if (given.dtype !== dtype || !sameShape(given.shape, shape)) {
          fail(
            "internal",
            `expected ${dtype}[${shape}] for input ${name} of graph ${program.name} but received ` +
              `${given.dtype}[${given.shape}]`,
          );
        }
        feeds[name] = new runtime.Tensor(
          dtype as "float32",
          acceptable(given.data) as Float32Array,
          shape as number[],
        ) as OrtTensor;
      }
      let results: Awaited<ReturnType<InferenceSession["run"]>>;
      try {
        results = await session.run(feeds);
      } catch (cause) {
        return fail(
          "device",
          `expected graph ${program.name} to run on ${device} but the runtime said: ${reasonOf(cause)}`,
          cause,
        );
      }
      const named: Record<string, Tensor> = {};
      for (const { name, dtype, shape } of program.outputs)
        named[name] = tensor(dtype, shape, results[name]!.data as DTypes[DType]);
      return named;
    },
    async close() {
      if (profile !== undefined) session.endProfiling();
      await session.release();
    },
  };
}
