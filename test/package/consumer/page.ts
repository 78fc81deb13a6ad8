/** A page's program: must type-check without Node's types. */

import {
  type Augmentation,
  compress,
  configureRuntime,
  createEngine,
  type Dataset,
  datasetFromArrays,
  decompress,
  describeArchive,
  type Engine,
  fromImageData,
  likelihood,
  type Model,
  modelFiles,
  openModel,
  type RestoredImage,
  type TrainEvent,
  toImageData,
  trainModel,
  webThread,
} from "pixelcnn";
import { compile, Graph, grad, openSession, ops } from "pixelcnn/graph";

configureRuntime({ wasmPaths: "/ort/", threads: 2 });
const model: Model = await openModel("mnist");
const startThread = () =>
  webThread<never, never>(new Worker(new URL("./worker.js", location.href), { type: "module" }));
const engine: Engine = createEngine(model, { threads: 2, startThread });
const drawn = await engine.sample({ count: 2 });
const { width, height, data } = toImageData({ ...drawn, levels: engine.levels });
const image = new ImageData(data, width, height);
const back: Uint8Array = fromImageData(image, { channels: 1, levels: 256 }).pixels;

const archive = await compress(model, { height: 28, width: 28, pixels: back, names: ["seven.png"] }, { threads: 2 });
const saved = new Blob([archive]);
const images: RestoredImage[] = await decompress(model, new Uint8Array(await saved.arrayBuffer()));
const names: readonly string[] = describeArchive(archive).names;

const shape = { name: "mine", split: "train", height: 8, width: 8, channels: 1, levels: 4, classes: null } as const;
const set: Dataset = datasetFromArrays(shape, new Uint8Array(64 * 64));
const events: TrainEvent[] = [];
const trained = await trainModel({ data: set, steps: 5, device: "webgpu", onEvent: (event) => events.push(event) });
const files: Record<string, BlobPart> = modelFiles(trained);
const { nats, each }: { nats: number; each: Float64Array } = await likelihood(trained, set);

const graph = new Graph("square");
const x = graph.input("x", "float32", [1]);
const y = ops.mul(x, x);
graph.output("dx", grad(y, [x])[0]!);
const session = await openSession(compile(graph), { device: "cpu" });
await session.close();

export const shown: readonly unknown[] = [images, names, files, nats, each, events, {} as Augmentation];
