/** Runs with 500 runs of 10,000 logged steps each: listed, chosen all, drawn and pointed at. */

import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { noStudio, openStudio } from "./opened-studio.ts";

const RUNS = 500;
const POINTS = 10_000;

test.skipIf(noStudio)(
  `500 runs of 10,000 points each${noStudio}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "pixelcnn-many-"));
    const config = JSON.stringify({ model: { family: "gated-pixelcnn" }, data: { source: "mnist" } });
    const lines = Array.from({ length: POINTS }, (_, i) => {
      const step = 37 * (i + 1);
      const loss = 80 + 200 / (i + 1);
      const entry = { type: "step", step, epoch: step / 3750, loss, unit: "nats", bitsPerDim: 0.15, seconds: i };
      return `${JSON.stringify({ ...entry, norm: 12.5, rate: 0.003, imagesPerSecond: 412.2 })}\n`;
    });
    const tested = (step: number, images: number): string =>
      `${JSON.stringify({ type: "evaluation", step, seconds: step / 37, images, loss: 80 + 3700 / step })}\n`;
    for (let i = 1; i < 10; i++) lines[1000 * i] += tested(37 * (1000 * i + 1), 1000);
    lines.push(tested(37 * POINTS, 10_000));
    writeFileSync(join(folder, "log.jsonl"), lines.join(""));
    for (let i = 0; i < RUNS; i++) {
      const run = join(folder, "runs", `run-${i}`);
      mkdirSync(run, { recursive: true });
      writeFileSync(join(run, "config.json"), config);
      // One file on the disk: a real log in every folder would be a gigabyte.
      linkSync(join(folder, "log.jsonl"), join(run, "log.jsonl"));
    }
    const { page, complaints, go, close } = await openStudio([join(folder, "runs")]);
    try {
      const times: Record<string, number> = {};
      const timed = async (what: string, job: () => Promise<unknown>): Promise<void> => {
        const began = performance.now();
        await job();
        times[what] = (performance.now() - began) / 1000;
      };
      await timed("listed", async () => {
        await go("Runs");
        await page.waitForFunction((n) => document.querySelectorAll(".run-list li").length === n, RUNS);
        await page.waitForSelector(".uplot");
      });
      const filled = (n: number): Promise<unknown> =>
        page.waitForFunction(
          (wanted) =>
            [...document.querySelectorAll(".figures-table tbody tr")].filter(
              (row) => row.children[1]!.textContent === "370000",
            ).length === wanted,
          n,
          { timeout: 60_000 },
        );
      await filled(6);
      await timed("all chosen and drawn", async () => {
        await page.click('button:text-is("Choose all")');
        await filled(RUNS);
      });
      expect(await page.getAttribute(".chart [role=img] >> nth=0", "aria-label")).toMatch(
        /^Training loss, nats over step: 500 lines, such as run-\d+ ended at 80\.02/,
      );
      // A line and a ring of every run.
      const tests = await page.getAttribute(".chart [role=img] >> nth=1", "aria-label");
      expect(tests).toMatch(/^Test, nats over step: 1000 lines/);
      await page.waitForSelector("text=A ring is a test on more images");
      await timed("another axis", async () => {
        await page.click('.panel button:text-is("minutes")');
        await page.waitForSelector('.chart [aria-label*="over minutes"]');
        await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
      });
      await timed("pointed at", async () => {
        await page.hover(".run-list li >> nth=2");
        await page.waitForSelector(".run-list li.lit");
        await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
      });
      if (process.env.PIXELCNN_TIMES) console.log(times);
      // Alone on two cores a third of this; other tests run beside it.
      const slack = process.env.CI ? 4 : 1;
      expect(times.listed).toBeLessThan(3 * slack);
      expect(times["all chosen and drawn"]).toBeLessThan(30 * slack);
      expect(times["another axis"]).toBeLessThan(6 * slack);
      expect(times["pointed at"]).toBeLessThan(3 * slack);
      await page.click('button:text-is("Choose none")');
      await page.waitForSelector(".uplot", { state: "detached" });
      expect(complaints).toEqual([]);
    } finally {
      await close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
  180_000,
);
