/** The page on a phone: what is asked for comes into sight; and what is erased in Complete can be brought back. */

import { expect, test } from "vitest";
import { noStudio, openStudio } from "./opened-studio.ts";

test.skipIf(noStudio)(
  `a phone shows results where they are asked for${noStudio}`,
  async () => {
    const { page, complaints, go, close } = await openStudio();
    const top = (selector: string): Promise<number> =>
      page.$eval(selector, (element) => element.getBoundingClientRect().top);
    try {
      await page.setViewportSize({ width: 390, height: 844 });
      // Play: the images stay while the controls below them are scrolled to.
      await page.waitForSelector(".wall .cell >> nth=15");
      expect(await top("main")).toBeLessThan(250);
      await page.locator('button:text-is("Draw this seed")').scrollIntoViewIfNeeded();
      await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
      expect(await top(".wall")).toBeGreaterThanOrEqual(0);
      expect(await top(".wall")).toBeLessThan(100);

      await go("Complete");
      const sheet = (): Promise<number[]> =>
        page.$eval(".editor", (element) => {
          const canvas = element as HTMLCanvasElement;
          return [...canvas.getContext("2d", { willReadFrequently: true })!.getImageData(0, 0, 28, 28).data];
        });
      // Alpha of the first pixel: the digit to begin with is there.
      await expect.poll(async () => (await sheet())[3]).toBe(255);
      const before = await sheet();
      const box = (await page.locator(".editor").boundingBox())!;
      await page.mouse.click(box.x + box.width / 2, box.y + (box.height * 4.5) / 28);
      await expect.poll(() => page.textContent('.field:has-text("Rows kept") output')).toBe("4");
      await page.fill('.field:has-text("Rows kept") input', "14");
      await expect.poll(async () => (await sheet()).join() === before.join()).toBe(true);

      await page.click('button:text-is("Complete it")');
      await page.waitForSelector(".wall .cell >> nth=8");
      const bottom = (): Promise<number> =>
        page.$eval(".wall", (element) => element.getBoundingClientRect().bottom - innerHeight);
      await expect.poll(bottom, { timeout: 5000 }).toBeLessThanOrEqual(0);
      expect(complaints.filter((text) => !/Multiple readback operations/.test(text))).toEqual([]);
    } finally {
      await close();
    }
  },
  60_000,
);
