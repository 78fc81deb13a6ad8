/** Train on a set of the machine that serves the page. */

import { expect, test } from "vitest";
import { noStudio, openStudio } from "./opened-studio.ts";

test.skipIf(noStudio)(
  `the page trains on mnist of the machine that serves it${noStudio}`,
  async () => {
    const { page, url, complaints, requests, go, close } = await openStudio();
    try {
      await go("Train");
      await page.waitForSelector("figcaption:has-text('shapes')");
      // Of two that are read at once, the one that was chosen last stays, though it is there sooner.
      await page.click('.panel button:text-is("mnist")');
      await page.click('.panel button:text-is("letters")');
      await page.waitForSelector("figcaption:has-text('letters')");
      await page.waitForSelector("text=Reading the images", { state: "detached" });
      expect(await page.textContent("figcaption >> nth=0")).toBe("2000 images of 16 × 16: letters");
      await page.click('.panel button:text-is("mnist")');
      await page.waitForSelector("figcaption:has-text('20000 images of 28 × 28: mnist')");
      expect(await page.textContent("figcaption >> nth=0")).toBe(
        "20000 images of 28 × 28: mnist; left out: images 20000 to 59999: a page trains on the first 20000",
      );
      // The first image is the 5 that MNIST begins with.
      const lit = await page.$eval(".strip canvas", (element) => {
        const canvas = element as HTMLCanvasElement;
        const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((value, i) => i % 4 === 0 && value > 0).length;
      });
      expect(lit).toBe(166);
      await page.click('.panel button:text-is("2")');
      await page.click('.panel button:text-is("Train")');
      const losses: number[] = [];
      await expect
        .poll(
          async () => {
            const [, step, loss] = /^step (\d+), ([\d.]+) nats/.exec((await page.textContent(".figures")) ?? "") ?? [];
            if (loss) losses.push(Number(loss));
            return Number(step ?? 0);
          },
          { timeout: 60_000, interval: 200 },
        )
        .toBeGreaterThan(60);
      await page.click('.panel button:text-is("Stop")');
      await page.waitForSelector('.panel button:text-is("Go on")', { timeout: 30_000 });
      // From 784 bits, which are 543 nats.
      expect(losses.at(-1)!).toBeLessThan(0.8 * Math.max(...losses));
      expect(complaints.filter((text) => !/Multiple readback operations/.test(text))).toEqual([]);
      expect(requests.every((one) => one.startsWith(url) || /^(blob|data):/.test(one))).toBe(true);
    } finally {
      await close();
    }
  },
  120_000,
);
