/** Runs with tests on more images than the others: rings that no line leads to, named once, told below the chart. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { noStudio, openStudio } from "./opened-studio.ts";

test.skipIf(noStudio)(
  `a test on more images is a ring of its run's chart${noStudio}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "pixelcnn-rings-"));
    const makeRun = (
      name: string,
      tests: readonly (readonly [step: number, value: number, images: number])[],
    ): void => {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "config.json"), JSON.stringify({ model: { family: "gated-pixelcnn" } }));
      const steps = [1, 2, 3, 4].map((step) => ({ type: "step", step, loss: 9 - step, unit: "nats", seconds: step }));
      const tested = tests.map(([step, nats, images]) => ({ type: "evaluation", step, nats, images, seconds: step }));
      const lines = [...steps, ...tested].map((entry) => `${JSON.stringify(entry)}\n`);
      writeFileSync(join(folder, name, "log.jsonl"), lines.join(""));
    };
    const { page, complaints, go, close } = await openStudio([folder]);
    try {
      const chart = ".chart >> nth=1";
      const legend = (): Promise<string[]> =>
        page.$$eval(".chart:nth-of-type(2) .u-legend .u-series", (rows) =>
          rows.filter((row) => row.checkVisibility()).map((row) => row.querySelector(".u-label")!.textContent!),
        );
      makeRun("even", [
        [2, 7, 100],
        [4, 6, 100],
      ]);
      await go("Runs");
      await page.waitForSelector(`${chart} >> .uplot`);
      expect(await legend()).toEqual(["step", "even"]);
      expect(await page.textContent(chart)).not.toContain("A ring is a test on more images");

      makeRun("resumed", [
        [2, 7, 100],
        [3, 2, 1000],
        [4, 6, 100],
      ]);
      await page.reload();
      await page.waitForSelector(`${chart} >> text=A ring is a test on more images`);
      expect((await legend()).sort()).toEqual(["even", "resumed", "step"]);
      // Below the lines, which lie between 6 and 7, there is the ring and nothing else.
      const drawn = await page.$eval(`.chart:nth-of-type(2) canvas`, (element) => {
        const canvas = element as HTMLCanvasElement;
        const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
        const columns = new Set<number>();
        for (let p = 0; p < data.length / 4; p++) {
          const [r, g, b, alpha] = data.subarray(4 * p, 4 * p + 4) as unknown as [number, number, number, number];
          const row = Math.floor(p / canvas.width);
          const coloured = alpha > 200 && Math.max(r, g, b) - Math.min(r, g, b) > 60;
          if (coloured && row > canvas.height * 0.5) columns.add(p % canvas.width);
        }
        return [...columns];
      });
      expect(drawn.length).toBeGreaterThan(4);
      expect(Math.max(...drawn) - Math.min(...drawn)).toBeLessThan(20);
      expect(complaints.filter((text) => !/Multiple readback operations/.test(text))).toEqual([]);
    } finally {
      await close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
  60_000,
);
