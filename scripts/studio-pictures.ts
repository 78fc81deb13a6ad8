/**
 * Takes the pictures of docs/studio.md: each panel of the built page, wide and as a phone shows it, light and dark.
 *   node scripts/studio-pictures.ts --runs DIR --autoencoder RUN
 * DIR holds runs, RUN is the folder of a trained auto-encoder. Needs Chromium.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Page } from "playwright-core";
import { serveStudio } from "../src/server/serve-studio.ts";
import { launch } from "../test/package/browser.ts";

const { values } = parseArgs({ options: { runs: { type: "string" }, autoencoder: { type: "string" } } });
if (!values.runs || !values.autoencoder) throw new Error("expected --runs DIR and --autoencoder RUN");
const { runs, autoencoder } = { runs: values.runs, autoencoder: values.autoencoder };
const out = join(import.meta.dirname, "..", "docs", "pictures", "studio");
mkdirSync(out, { recursive: true });

const press = (page: Page, name: string): Promise<void> => page.click(`.panel button:text-is("${name}")`);
const choose = async (page: Page, model: string): Promise<void> => {
  await page.selectOption(".picker select", model);
  await page.waitForTimeout(1500);
};

/** What is done in a panel before its picture. */
const PANELS: Readonly<Record<string, (page: Page) => Promise<void>>> = {
  play: async (page) => {
    await choose(page, "emoji");
    await page.fill("#text", "happy cat");
    await page.click("form button");
    await page.waitForTimeout(5000);
  },
  complete: async (page) => {
    await choose(page, "mnist");
    await page.waitForTimeout(1000);
    await press(page, "Complete it");
    await page.waitForTimeout(4000);
  },
  see: async (page) => {
    await choose(page, "mnist");
    await page.waitForTimeout(1500);
  },
  compress: async (page) => {
    await choose(page, "mnist");
    const pictures = ["a", "b", "c"].map((name) => ({ name: `${name}.png`, mimeType: "image/png", buffer: drawn! }));
    await page.setInputFiles('.drop input[type="file"]', [
      ...pictures,
      { name: "broken.png", mimeType: "image/png", buffer: Buffer.from("no picture") },
    ]);
    await page.waitForSelector(".result");
    await page.click('.panel button:text-is("Compare with PNG, WebP and JPEG XL")');
    await page.waitForSelector('.sizes li:has-text("JPEG XL")');
  },
  latents: async (page) => {
    const files = ["config.json", "model.safetensors"].map((name) => join(autoencoder, name));
    await page.setInputFiles('.picker input[type="file"]', files);
    await page.waitForSelector('.latents .button:has-text("Change")');
    for (const [i, buffer] of digits.entries()) {
      const file = { name: `${i}.png`, mimeType: "image/png", buffer };
      await page.setInputFiles(`.latents figure:nth-of-type(${i + 1}) input[type="file"]`, file);
      await page.waitForTimeout(1500);
    }
    await page.waitForSelector('.panel button:text-is("Walk from first to second"):not([disabled])');
    await press(page, "Walk from first to second");
    await page.waitForTimeout(3500);
  },
  train: async (page) => {
    await page.waitForSelector(".strip canvas");
    await press(page, "Train");
    await page.waitForTimeout(40_000);
  },
  runs: (page) => page.waitForTimeout(3000),
};

const studio = await serveStudio({ folders: [runs] });
const browser = await launch();

/** Two digits of a shipped model as PNG, drawn by the page itself. */
async function drawDigits(model: string): Promise<Buffer[]> {
  const page = await browser.newPage();
  await page.goto(studio.url);
  await page.waitForSelector(".cell");
  await choose(page, model);
  // Whole: a pixel that is not drawn yet is transparent.
  await page.waitForFunction(() =>
    [...document.querySelectorAll<HTMLCanvasElement>(".cell canvas")].slice(0, 2).every((canvas) => {
      const { width, height } = canvas;
      return width > 0 && canvas.getContext("2d")!.getImageData(width - 1, height - 1, 1, 1).data[3] === 255;
    }),
  );
  const urls = await page.$$eval(".cell canvas", (all) =>
    all.slice(0, 2).map((canvas) => (canvas as HTMLCanvasElement).toDataURL().split(",")[1]!),
  );
  await page.close();
  return urls.map((url) => Buffer.from(url, "base64"));
}

const [drawn] = await drawDigits("mnist");
const digits = await drawDigits("mnist-binary");
for (const [panel, prepare] of Object.entries(PANELS)) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  await page.goto(`${studio.url}#/${panel}`);
  await page.waitForSelector(".panel");
  await prepare(page);
  for (const [name, width, height] of [
    ["wide", 1280, 860],
    ["phone", 390, 844],
  ] as const) {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(400);
      await page.screenshot({ path: join(out, `${panel}-${name}-${colorScheme}.png`), fullPage: true });
    }
  }
  await context.close();
}
await browser.close();
await studio.close();
