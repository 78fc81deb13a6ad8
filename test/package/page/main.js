/**
 * A user's page: what the browser tests ask of it, through the doors of the installed package alone. Plain
 * JavaScript, so that every bundler takes it.
 */

import {
  compress,
  configureRuntime,
  createEngine,
  datasetFromArrays,
  decompress,
  describeArchive,
  likelihood,
  modelFiles,
  openModel,
  toImageData,
  trainModel,
  webThread,
} from "pixelcnn";

const hashOf = async (bytes) =>
  Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
const threadAt = (url) => () => webThread(new Worker(new URL(url, location.href), { type: "module" }));

/** Two digits, drawn on some threads; `worker` is the URL of a worker that the bundler was told of. */
async function sample({ model = "mnist", threads = 0, worker, show = false }) {
  const engine = createEngine(await openModel(model), { threads, startThread: worker && threadAt(worker) });
  const drawn = await engine.sample({ count: 2, seed: 7 });
  if (show) {
    const { width, height, data } = toImageData({ ...drawn, levels: engine.levels });
    const canvas = document.body.appendChild(document.createElement("canvas"));
    Object.assign(canvas, { width, height });
    canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
  }
  await engine.close();
  return hashOf(drawn.pixels);
}

/** Compresses the same digits and opens them again; hashes of the file and of what came out of it. */
async function roundTrip({ model = "mnist", threads = 0, worker }) {
  const opened = await openModel(model);
  const engine = createEngine(opened);
  const drawn = await engine.sample({ count: 2, seed: 7 });
  const options = { threads, groupSize: 1, startThread: worker && threadAt(worker) };
  const file = await compress(opened, drawn, options);
  const images = await decompress(opened, file, options);
  const pixels = new Uint8Array(images.flatMap((image) => [...image.pixels]));
  return { file: await hashOf(file), pixels: await hashOf(pixels) };
}

/** What an archive says of itself, and its images, each with all that the file knows of it. */
async function openArchive({ url, model = "mnist" }) {
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
  const images = await decompress(await openModel(model), bytes);
  return {
    summary: describeArchive(bytes),
    images: images.map(({ pixels, values, ...rest }) => ({ ...rest, pixels: [...pixels], values: [...values] })),
  };
}

/** Stripes of four levels: something that a small model learns at once. */
function stripes() {
  const pixels = Uint8Array.from({ length: 64 * 8 * 8 }, (_, i) => ((i >> 2) + Math.floor(i / 64)) % 4);
  return datasetFromArrays(
    { name: "stripes", split: "train", height: 8, width: 8, channels: 1, levels: 4, classes: null },
    pixels,
  );
}

/** Trains a small model; its losses, its likelihood and its two files. */
async function train({ steps, device, threads, runtime }) {
  if (runtime) configureRuntime(runtime);
  const losses = [];
  const data = stripes();
  const model = await trainModel({
    data,
    steps,
    device,
    threads,
    seed: 3,
    model: { features: 8, depth: 2, skip: 8, head: { features: 8 } },
    train: { batch: 8, rate: 1e-2, warmup: 0, decay: "constant" },
    onEvent: (event) => event.type === "step" && losses.push(event.loss),
  });
  const { nats } = device === "webgpu" ? { nats: null } : await likelihood(model, data, { limit: 8 });
  const files = modelFiles(model);
  return { losses, nats, config: files["config.json"], weights: [...files["model.safetensors"]] };
}

Object.assign(globalThis, { page: { sample, roundTrip, openArchive, train, isolated: crossOriginIsolated } });
