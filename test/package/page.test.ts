/**
 * What a page does beyond drawing, in Chromium, with the installed package bundled by Vite: it opens archives of the
 * command line, trains, and hands its model to Node.
 */

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { datasetFromArrays, likelihood, openModel } from "../../src/index.ts";
import { foreign, launch, noBrowser, type Opened, open, type Served, serve } from "./browser.ts";
import { vite } from "./bundles.ts";
import { install, root, strangersEnvironment } from "./installed.ts";

const installed = await install();
const reason = typeof installed === "string" ? ` (skipped: ${installed})` : noBrowser;
const { native } = installed as Exclude<typeof installed, string>;

interface Trained {
  readonly losses: readonly number[];
  readonly nats: number | null;
  readonly config: string;
  readonly weights: readonly number[];
}

interface Archive {
  readonly summary: Readonly<Record<string, unknown>>;
  readonly images: readonly {
    readonly name: string;
    readonly label?: number;
    readonly className?: string;
    readonly pixels: readonly number[];
    readonly values: readonly number[];
  }[];
}

/** The images that page/main.js trains on. */
const stripes = datasetFromArrays(
  { name: "stripes", split: "train", height: 8, width: 8, channels: 1, levels: 4, classes: null },
  Uint8Array.from({ length: 64 * 8 * 8 }, (_, i) => ((i >> 2) + Math.floor(i / 64)) % 4),
);

/** Runs the installed command line. */
function pixelcnn(cwd: string, ...words: string[]): void {
  const command = join(native, "node_modules", ".bin", "pixelcnn");
  const { status, stderr } = spawnSync(command, words, { cwd, env: strangersEnvironment(), encoding: "utf8" });
  if (status !== 0) throw new Error(`pixelcnn ${words.join(" ")}: ${stderr}`);
}

describe.skipIf(reason)(`in Chromium, the bundled package${reason}`, () => {
  const files = join(native ?? "", "files");
  let browser: Browser;
  let plainServer: Served;
  let isolatedServer: Served;
  const pages: { opened: Opened; url: string }[] = [];
  beforeAll(async () => {
    const page = join(native, "page-of-files");
    cpSync(join(root, "test", "package", "page"), page, { recursive: true });
    const { folder } = await vite(page, join(native, "out-page"));
    mkdirSync(files);
    plainServer = await serve([folder, files]);
    isolatedServer = await serve([folder, files], { isolated: true });
    browser = await launch();
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    plainServer?.close();
    isolatedServer?.close();
  });
  const openPage = async ({ url }: Served): Promise<Opened> => {
    const opened = await open(browser, url);
    pages.push({ opened, url });
    return opened;
  };

  test("opens an archive of the command line with its names, labels, classes and grey values", async () => {
    // By the command line of the sources: it finds MNIST among this repository's packages, a stranger's would download
    // it.
    const words = ["compress", "mnist", "mnist:test:0-3", "--out", join(files, "digits.pxc")];
    const node = join(root, "node_modules", ".bin", "node");
    expect(spawnSync(node, ["src/cli/main.ts", ...words], { cwd: root, encoding: "utf8" })).toMatchObject({
      status: 0,
    });
    const { call } = await openPage(plainServer);
    const { summary, images } = await call<Archive>("openArchive", { url: "/digits.pxc" });
    expect(summary).toMatchObject({ images: 4, model: "mnist", classes: Array.from("0123456789") });
    expect(summary.names).toEqual(images.map(({ name }) => name));
    expect(images.map(({ label }) => label)).toEqual([7, 2, 1, 0]);
    expect(images.map(({ className }) => className)).toEqual(["7", "2", "1", "0"]);
    for (const { pixels, values } of images) expect(values).toEqual(pixels); // 256 levels are the values
  }, 60_000);

  test("gives back the grey values of a picture that has few", async () => {
    // Two levels that stand for 20 and 200: the model has two levels, the file says what they are.
    const grey = Uint8Array.from({ length: 28 * 28 }, (_, i) => (Math.floor(i / 28) > 9 && i % 28 < 20 ? 200 : 20));
    writeFileSync(join(files, "two-greys.pgm"), Buffer.concat([Buffer.from("P5\n28 28\n255\n"), grey]));
    pixelcnn(files, "compress", "mnist-binary", "two-greys.pgm", "--out", "greys.pxc");
    const { call } = await openPage(plainServer);
    const { images } = await call<Archive>("openArchive", { url: "/greys.pxc", model: "mnist-binary" });
    expect(images[0]!.name).toContain("two-greys");
    expect(new Set(images[0]!.pixels)).toEqual(new Set([0, 1]));
    expect(images[0]!.values).toEqual([...grey]);
  }, 60_000);

  let trained: Trained;
  test("trains 50 steps on WebAssembly with a falling loss, on one thread where the page is not isolated", async () => {
    const opened = await openPage(plainServer);
    expect(await opened.page.evaluate("page.isolated")).toBe(false);
    const began = performance.now();
    trained = await opened.call<Trained>("train", { steps: 50 });
    const seconds = (performance.now() - began) / 1000;
    const { losses } = trained;
    console.log(
      `WebAssembly: 50 steps, loss ${losses[0]!.toFixed(1)} to ${losses[49]!.toFixed(1)}, ${seconds.toFixed(1)} s ` +
        "in all",
    );
    expect(losses).toHaveLength(50);
    expect(losses[49]!).toBeLessThan(losses[0]! / 2);
    expect(opened.workers).toEqual([]);
  }, 60_000);

  test("saves its model as two files that Node opens with the same weights and the same likelihood", async () => {
    mkdirSync(join(files, "model"));
    writeFileSync(join(files, "model", "config.json"), trained.config);
    writeFileSync(join(files, "model", "model.safetensors"), Uint8Array.from(trained.weights));
    const model = await openModel(join(files, "model"));
    const { writeSafeTensors } = await import("../../src/models/safetensors.ts");
    const again = writeSafeTensors(model.parameters, { format: "1", step: String(model.step) });
    expect(Buffer.compare(again, readFileSync(join(files, "model", "model.safetensors")))).toBe(0);
    expect(model.step).toBe(50);
    const { nats } = await likelihood(model, stripes, { limit: 8 });
    expect(Math.abs(nats - trained.nats!)).toBeLessThan(1e-4);
    pixelcnn(files, "sample", "model", "--count", "1", "--out", "sample.png");
  }, 60_000);

  test("trains on two threads where the page is isolated and configureRuntime asks for them, to the same " +
    "losses", async () => {
    const opened = await openPage(isolatedServer);
    expect(await opened.page.evaluate("page.isolated")).toBe(true);
    const { losses } = await opened.call<Trained>("train", { steps: 10, runtime: { threads: 2 } });
    for (const [i, loss] of losses.entries()) expect(Math.abs(loss - trained.losses[i]!)).toBeLessThan(0.01);
    expect(opened.workers.length).toBeGreaterThan(0);
  }, 60_000);

  test("trains on WebGPU, with the losses of WebAssembly", async (context) => {
    const opened = await openPage(plainServer);
    const adapter = await opened.page.evaluate(
      "navigator.gpu?.requestAdapter().then((adapter) => adapter !== null) ?? false",
    );
    if (!adapter) context.skip("this Chromium has no software adapter for WebGPU");
    const began = performance.now();
    // The adapter of the tests computes on the CPU, a second or more a step; `npm run test:slow` takes all 50.
    const steps = process.env.PIXELCNN_SLOW ? 50 : 3;
    const { losses } = await opened.call<Trained>("train", { steps, device: "webgpu" });
    console.log(
      `WebGPU, software adapter: ${steps} steps, loss ${losses[0]!.toFixed(1)} to ${losses.at(-1)!.toFixed(1)}, ` +
        `${((performance.now() - began) / 1000).toFixed(1)} s in all`,
    );
    for (const [i, loss] of losses.slice(0, 3).entries())
      expect(Math.abs(loss - trained.losses[i]!)).toBeLessThan(0.05);
    expect(losses).toHaveLength(steps);
    expect(losses.at(-1)!).toBeLessThan(losses[0]!);
  }, 600_000);

  test("logged no error and asked no other server for anything, in all of these pages", () => {
    for (const { opened, url } of pages) {
      expect(opened.complaints).toEqual([]);
      expect(foreign(opened, url)).toEqual([]);
    }
    expect(pages.length).toBeGreaterThanOrEqual(4);
  });
});
