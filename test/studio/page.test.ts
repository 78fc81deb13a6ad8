/**
 * The studio's page in Chromium, served by the studio's own server: each panel does what it says, with the numbers of
 * Node and the files of the command line; nothing leaves the page, and nothing complains.
 */

import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import AxeBuilder from "@axe-core/playwright";
import { unzipSync } from "fflate";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { pixelcnn } from "../../src/cli/command-line.test-support.ts";
import {
  compress,
  createEngine,
  datasetFromArrays,
  modelFiles,
  openPixelcnn,
  toImageData,
  trainModel,
} from "../../src/index.ts";
import { decodePng, encodePng } from "../../src/pictures/png.ts";
import { builtPage } from "../../src/server/page-files.ts";
import { type ServedStudio, serveStudio } from "../../src/server/serve-studio.ts";
import { launch, noBrowser } from "../package/browser.ts";
import { install } from "../package/installed.ts";
import { REFUSED } from "./refused-files.ts";

// The page is built where the package is packed.
const installed = noBrowser ? "" : await install();
const reason = noBrowser || (typeof installed === "string" ? ` (skipped: ${installed})` : "");

describe.skipIf(reason)(`the studio in Chromium${reason}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "pixelcnn-page-"));
  const run = join(folder, "runs", "digits");
  let browser: Browser;
  let studio: ServedStudio;
  let context: BrowserContext;
  let page: Page;
  const complaints: string[] = [];
  const requests: string[] = [];

  beforeAll(async () => {
    mkdirSync(join(run, "samples"), { recursive: true });
    writeFileSync(
      join(run, "config.json"),
      JSON.stringify({ model: { family: "gated-pixelcnn" }, data: { source: "mnist" } }),
    );
    const line = (step: number): string =>
      `${JSON.stringify({ type: "step", step, loss: 200 / step, unit: "nats", seconds: step, epoch: step / 10 })}\n`;
    writeFileSync(join(run, "log.jsonl"), [1, 2, 3].map(line).join(""));
    studio = await serveStudio({ folders: [join(folder, "runs")] });
    browser = await launch();
    context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    page = await context.newPage();
    page.on("console", (said) => {
      // These tests read canvases back; the page itself does not.
      if (/Multiple readback operations/.test(said.text())) return;
      if (["error", "warning"].includes(said.type())) complaints.push(said.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => requests.push(request.url()));
    await page.goto(studio.url);
    await page.waitForSelector(".panel");
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await studio?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(() => {
    expect(complaints).toEqual([]);
    expect(requests.filter((url) => !url.startsWith(studio.url) && !/^(blob|data):/.test(url))).toEqual([]);
  });

  const go = async (panel: string): Promise<void> => {
    await page.click(`nav a:text-is("${panel}")`);
    await page.waitForSelector(`h2:text-is("${panel}")`);
  };
  const press = (name: string): Promise<void> => page.click(`.panel button:text-is("${name}")`);
  const choose = async (model: string): Promise<void> => {
    await page.selectOption(".picker select", model);
    await page.waitForFunction(
      (name) => document.querySelector<HTMLSelectElement>(".picker select")!.value === name,
      model,
    );
  };
  /** Red, green, blue and alpha of the canvases that a selector finds. */
  const canvases = (selector: string): Promise<number[][]> =>
    page.$$eval(selector, (found) =>
      found.map((element) => {
        const canvas = element as HTMLCanvasElement;
        return [...canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height).data];
      }),
    );
  const trainedTo = (step: number, timeout = 60_000): Promise<unknown> =>
    page.waitForFunction(
      (least) => Number(/^step (\d+)/.exec(document.querySelector(".figures")?.textContent ?? "")?.[1]) >= least,
      step,
      { timeout },
    );
  const figures = (text: RegExp): Promise<unknown> =>
    page.waitForFunction(
      (source) => new RegExp(source).test(document.querySelector(".figures")?.textContent ?? ""),
      text.source,
    );

  test("what loads before a model is asked for is below 400 kB, compressed", () => {
    const assets = join(builtPage(), "assets");
    // The training worker with its runtime, and the encoders that Compress compares with, are loaded on request.
    const later = /^(train-host|ort|group-worker|peer-sizes|jxl_enc|webp_enc|squoosh_oxipng)/;
    const first = readdirSync(assets).filter((name) => !later.test(name));
    const bytes = first.reduce((sum, name) => sum + gzipSync(readFileSync(join(assets, name))).length, 0);
    expect(first.length).toBeGreaterThan(3);
    expect(bytes).toBeLessThan(400_000);
  });

  test("Play draws the images of Node, bit for bit, and the first within a second", async () => {
    await choose("mnist");
    await go("Play");
    await page.check("text=Show images only when they are finished");
    await press("4");
    await page.fill('input[type="number"]', "7");
    const began = await page.evaluate(() => performance.now());
    await press("Draw this seed");
    await figures(/^4 images in/);
    const seconds = ((await page.evaluate(() => performance.now())) - began) / 1000;
    const engine = createEngine(await openPixelcnn("mnist"));
    const truth = await engine.sample({ count: 4, seed: 7 });
    const shape = { ...truth, levels: engine.levels };
    await page.waitForTimeout(100);
    expect(await canvases(".wall canvas")).toEqual([0, 1, 2, 3].map((i) => [...toImageData(shape, i).data]));
    expect(seconds).toBeLessThan(process.env.CI ? 5 : 1);
  });

  test("Play enlarges an image and saves it as PNG", async () => {
    await page.click(".cell >> nth=0");
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.click('dialog button:text-is("Download PNG")'),
    ]);
    expect(file.suggestedFilename()).toBe("mnist-seed7-0.png");
    expect([...readFileSync(await file.path()).subarray(1, 4)]).toEqual([0x50, 0x4e, 0x47]);
  });

  test("See says the bits that Node says, and the distribution under the pointer", async () => {
    await page.click('dialog button:text-is("See its bits")');
    await page.waitForSelector(".table");
    const engine = createEngine(await openPixelcnn("mnist"));
    const images = await engine.sample({ count: 1, seed: 7 });
    const bits = (await engine.score({ images })).reduce((a, b) => a + b, 0);
    await expect.poll(() => page.textContent(".table dd >> nth=0")).toBe(`${bits.toFixed(1)} bits`);
    await page.focus(".grid >> nth=0");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowLeft");
    expect(await page.textContent(".table dt >> nth=4")).toBe("Row 14, column 14");
    expect(await page.textContent(".bars figcaption")).toMatch(/likeliest \d+ \([\d.]+ %\), here \d+ \([\d.]+ %\)/);
  });

  test("See shows the blind spot of the plain PixelCNN beside the others", async () => {
    await page.waitForSelector(".reaches figure >> nth=3");
    const said = await page.$$eval(".reaches figcaption", (all) => all.map((one) => one.textContent!));
    const seen = said.map((text) => /^(.*?)sees (\d+) of (\d+)/.exec(text)!.slice(1));
    const of = (name: string): number => Number(seen.find(([title]) => title === name)![1]);
    const [, , earlier] = seen[0]!;
    expect(of("Diagonal BiLSTM")).toBe(Number(earlier));
    expect(of("PixelCNN")).toBeLessThan(of("Gated PixelCNN"));
  });

  test("Complete keeps what is known and draws the rest several times", async () => {
    await go("Complete");
    await page.waitForFunction(() => {
      const canvas = document.querySelector<HTMLCanvasElement>(".editor")!;
      return canvas.getContext("2d")!.getImageData(0, 0, 28, 1).data[3] === 255;
    });
    const [sheet] = await canvases(".editor");
    await press("Complete it");
    await page.waitForSelector(".wall canvas >> nth=8");
    await page.waitForFunction(() =>
      [...document.querySelectorAll<HTMLCanvasElement>(".wall canvas")].every(
        (c) => c.width === 28 && c.getContext("2d")!.getImageData(27, 27, 1, 1).data[3] === 255,
      ),
    );
    const drawn = await canvases(".wall canvas");
    expect(drawn).toHaveLength(9);
    const known = 14 * 28 * 4;
    for (const one of drawn) expect(one.slice(0, known)).toEqual(sheet!.slice(0, known));
    expect(new Set(drawn.map((one) => one.slice(known).join())).size).toBe(9);
  });

  test("Complete takes strokes of a pointer", async () => {
    await press("Empty sheet");
    const box = (await page.locator(".editor").boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.25, box.y + box.height * 0.5);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.75, box.y + box.height * 0.5, { steps: 4 });
    await page.mouse.up();
    const [sheet] = await canvases(".editor");
    const alpha = sheet!.filter((_, i) => i % 4 === 3);
    expect(alpha[14 * 28 + 14]).toBe(255);
    expect(alpha[0]).toBe(0);
  });

  test.each(["See", "Complete"])("%s says what it changed of an image that it opens", async (panel) => {
    await go(panel);
    const colours = Uint8Array.from({ length: 40 * 30 * 3 }, (_, i) => (i % 3 === 0 ? 200 : 20));
    const open = (name: string, bytes: Uint8Array): Promise<void> =>
      page.setInputFiles('.panel input[type="file"]', [{ name, mimeType: "image/png", buffer: Buffer.from(bytes) }]);
    await open("big.png", encodePng({ height: 30, width: 40, channels: 3, pixels: colours }));
    await page.waitForSelector(".fitted");
    expect(await page.textContent(".fitted")).toBe(
      "Scaled from 40x30 to 28x21, a margin was added, colour became grey.",
    );
    await open("own.png", encodePng({ height: 28, width: 28, channels: 1, pixels: new Uint8Array(784).fill(9) }));
    await page.waitForSelector(".fitted", { state: "detached" });
  });

  test("Compress and the command line read each other's archives; what is left out is named", async () => {
    await go("Compress");
    const engine = createEngine(await openPixelcnn("mnist"));
    const { pixels } = await engine.sample({ count: 2, seed: 11 });
    const size = { height: 28, width: 28 };
    const png = (image: Uint8Array): Buffer => Buffer.from(encodePng({ ...size, channels: 1, pixels: image }));
    const files = [["a.png", png(pixels.subarray(0, 784))], ["b.png", png(pixels.subarray(784))], ...REFUSED] as const;
    const dropped = files.map(([name, buffer]) => ({ name, mimeType: "application/octet-stream", buffer }));
    await page.setInputFiles('.drop input[type="file"]', dropped);
    await page.waitForSelector(".left-out");
    expect(await page.textContent(".left-out h3")).toBe("6 of 8 files are left out");
    expect(await page.$$eval(".left-out li", (all) => all.map((one) => one.textContent))).toEqual(
      REFUSED.map(([name, , reason]) => `${name}: ${reason}`),
    );
    const [file] = await Promise.all([page.waitForEvent("download"), press("Download images.pxc")]);
    const archived = join(folder, "page.pxc");
    await file.saveAs(archived);
    expect((await pixelcnn(["decompress", archived, "-o", join(folder, "back")])).code).toBe(0);
    const back = (name: string): number[] => [...decodePng(readFileSync(join(folder, "back", name)), name).pixels];
    expect([back("a.png"), back("b.png")]).toEqual([[...pixels.subarray(0, 784)], [...pixels.subarray(784)]]);
    const written = join(folder, "command.pxc");
    expect((await pixelcnn(["compress", "mnist", join(folder, "back"), "-o", written])).code).toBe(0);
    await page.setInputFiles('.drop input[type="file"]', written);
    await page.waitForSelector(".thumbs li >> nth=1");
    expect(await page.$$eval(".thumbs li", (all) => all.map((one) => one.textContent))).toEqual(["a.png", "b.png"]);

    const archive = await compress(await openPixelcnn("mnist"), {
      ...size,
      pixels,
      names: ["one/first.png", "two/second.png"],
      labels: [1, 0],
      classes: ["zero", "one"],
    });
    await page.setInputFiles('.drop input[type="file"]', [
      { name: "node.pxc", mimeType: "", buffer: Buffer.from(archive) },
    ]);
    await page.waitForSelector(".thumbs small");
    const shown = await page.$$eval(".thumbs li", (all) => all.map((one) => one.textContent));
    expect(shown).toEqual(["one/first.pngone", "two/second.pngzero"]);
    const [saved] = await Promise.all([page.waitForEvent("download"), page.click(".thumbs button >> nth=0")]);
    expect(readFileSync(await saved.path())).toEqual(png(pixels.subarray(0, 784)));
  });

  test("damaged archives, those of other models, and broken models give a message and change nothing", async () => {
    const problem = (): Promise<string | null> => page.textContent(".problem p");
    await page.setInputFiles('.drop input[type="file"]', [
      { name: "x.pxc", mimeType: "", buffer: Buffer.from("nothing") },
    ]);
    await page.waitForSelector(".problem");
    expect(await problem()).toMatch(/not a \.pxc file$/);
    await page.click('.problem button:text-is("Close")');
    const small = await compress(await openPixelcnn("mnist-binary"), { height: 1, width: 1, pixels: Uint8Array.of(1) });
    await page.setInputFiles('.drop input[type="file"]', [{ name: "y.pxc", mimeType: "", buffer: Buffer.from(small) }]);
    await page.waitForSelector(".problem");
    expect(await problem()).toMatch(/model/);
    await page.setInputFiles('.picker input[type="file"]', [
      { name: "config.json", mimeType: "", buffer: Buffer.from("{") },
      { name: "model.safetensors", mimeType: "", buffer: Buffer.from("") },
    ]);
    await expect.poll(problem).toMatch(/^expected JSON in config\.json/);
    expect(await page.textContent("h2")).toBe("Compress");
    await page.click('.problem button:text-is("Close")');
  });

  test("Latents reconstructs, and walks between two images", async () => {
    const bars = Uint8Array.from({ length: 32 * 64 }, (_, i) => ((i % 8) + Math.floor(i / 64)) % 2);
    const data = datasetFromArrays(
      { name: "bars", split: "train", height: 8, width: 8, channels: 1, levels: 2, classes: null },
      bars,
    );
    const network = {
      decoder: { kind: "pixelcnn", features: 4, depth: 2, skip: 4, head: { features: 4 } },
      encoder: { features: [4], hidden: 8 },
    };
    const trained = await trainModel({ data, preset: "mnist-autoencoder", steps: 4, model: network });
    const files = modelFiles(trained);
    await page.setInputFiles('.picker input[type="file"]', [
      { name: "config.json", mimeType: "", buffer: Buffer.from(files["config.json"]) },
      { name: "model.safetensors", mimeType: "", buffer: Buffer.from(files["model.safetensors"]) },
    ]);
    await page.waitForFunction(() => document.querySelector(".about")?.textContent?.includes("auto-encoder"));
    await go("Latents");
    await page.waitForSelector('.panel button:text-is("Walk from first to second"):not([disabled])');
    await press("Walk from first to second");
    await page.waitForFunction(
      () =>
        [...document.querySelectorAll<HTMLCanvasElement>(".wall canvas")].filter(
          (c) => c.width === 8 && c.getContext("2d")!.getImageData(7, 7, 1, 1).data[3] === 255,
        ).length === 8,
    );
    await choose("mnist");
  });

  test("Train lowers the loss in WebAssembly, stops, and gives a model that Node opens", async () => {
    await go("Train");
    await page.waitForSelector(".strip canvas");
    await press("Train");
    await trainedTo(60);
    const loss = Number(/([\d.]+) nats/.exec((await page.textContent(".figures"))!)![1]);
    // 16 x 16 pixels of 4 levels: 355 nats for a uniform guess.
    expect(loss).toBeLessThan(250);
    expect(await page.textContent(".hint")).toMatch(/WebAssembly/);
    await press("Stop");
    await page.waitForSelector('.panel button:text-is("Download the model")');
    const [file] = await Promise.all([page.waitForEvent("download"), press("Download the model")]);
    const unzipped = unzipSync(readFileSync(await file.path()));
    expect(Object.keys(unzipped)).toEqual(["page-model/config.json", "page-model/model.safetensors"]);
    const model = await openPixelcnn({
      "config.json": unzipped["page-model/config.json"]!,
      "model.safetensors": unzipped["page-model/model.safetensors"]!,
    });
    expect(model.step).toBeGreaterThanOrEqual(60);
    expect((await createEngine(model).sample({ count: 1 })).pixels).toHaveLength(256);
    await press("Play with it");
    await page.waitForSelector('h2:text-is("Play")');
    await choose("mnist");
  });

  test("Train lowers the loss on WebGPU, here on a software adapter", async () => {
    // Two seconds a step.
    const [steps, part] = process.env.PIXELCNN_SLOW ? [50, 0.6] : [16, 0.95];
    await go("Train");
    await page.waitForSelector('.panel button:text-is("WebGPU")');
    await press("WebGPU");
    await press("Train");
    const said = async (step: number): Promise<number> => {
      await trainedTo(step, 240_000);
      return Number(/([\d.]+) nats/.exec((await page.textContent(".figures"))!)![1]);
    };
    const first = await said(1);
    expect(await said(steps)).toBeLessThan(part * first);
    expect(await page.textContent(".hint")).toMatch(/Runs on WebGPU/);
    await press("Stop");
    await page.waitForSelector('.panel button:text-is("Go on")');
  }, 300_000);

  test("Runs shows curves that grow, and survives a run that is deleted while it is watched", async () => {
    await go("Runs");
    await page.waitForSelector(".run-list li");
    await page.waitForSelector(".uplot");
    const steps = (): Promise<string | null> => page.textContent(".figures-table tbody td >> nth=1");
    await expect.poll(steps).toBe("3");
    appendFileSync(
      join(run, "log.jsonl"),
      `${JSON.stringify({ type: "step", step: 4, loss: 40, unit: "nats", seconds: 4, epoch: 0.4 })}\n`,
    );
    await expect.poll(steps, { timeout: 5000 }).toBe("4");
    const [file] = await Promise.all([page.waitForEvent("download"), press("Save as CSV")]);
    expect(readFileSync(await file.path(), "utf8").split("\n")[1]).toMatch(/^digits,4,/);
    rmSync(run, { recursive: true });
    await expect.poll(() => page.$$eval(".run-list li", (all) => all.length), { timeout: 10_000 }).toBe(0);
  });

  test.each(["Play", "Complete", "See", "Compress", "Latents", "Train", "Runs"])(
    "axe finds no accessibility fault in %s, light or dark",
    async (panel) => {
      await go(panel);
      await page.waitForTimeout(200);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        const { violations } = await new AxeBuilder({ page }).analyze();
        expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)).toEqual([]);
      }
      await page.emulateMedia({ colorScheme: "light" });
    },
  );

  test("no task holds the page's thread for 100 ms while it samples, compresses and trains", async () => {
    await go("Play");
    await page.evaluate(() => {
      const found: number[] = [];
      Object.assign(window, { found });
      new PerformanceObserver((list) => found.push(...list.getEntries().map(({ duration }) => duration))).observe({
        type: "longtask",
      });
    });
    await press("64");
    await figures(/^64 images in/);
    await go("Compress");
    const noise = Uint8Array.from({ length: 28 * 28 }, (_, p) => (p * p * 7) % 251);
    const buffer = Buffer.from(encodePng({ height: 28, width: 28, channels: 1, pixels: noise }));
    const many = Array.from({ length: 64 }, (_, i) => ({ name: `${i}.png`, mimeType: "image/png", buffer }));
    await page.setInputFiles('.drop input[type="file"]', many);
    await page.waitForSelector('.panel button:text-is("Download images.pxc")', { timeout: 60_000 });
    await go("Train");
    await page.waitForSelector(".strip canvas");
    await press("Train");
    await trainedTo(20);
    await press("Stop");
    await page.waitForSelector('.panel button:text-is("Go on")');
    await go("Play");
    const longest = await page.evaluate(() => Math.max(0, ...(window as unknown as { found: number[] }).found));
    expect(longest).toBeLessThan(process.env.CI ? 400 : 100);
  });

  test("once it is open, the page works without the network", async () => {
    await context.setOffline(true);
    await press("1");
    await figures(/^1 image in/);
    await context.setOffline(false);
  });

  test("fits a phone: nothing is wider than the screen", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    for (const panel of ["Play", "Complete", "See", "Compress", "Latents", "Train", "Runs"]) {
      await go(panel);
      await page.waitForTimeout(150);
      expect(await page.evaluate(() => document.documentElement.scrollWidth), panel).toBeLessThanOrEqual(390);
    }
    expect(statSync(builtPage()).isDirectory()).toBe(true);
  });
});
