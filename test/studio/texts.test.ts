/** A text in Play: the server's sentence encoder makes it a vector, and the page draws what Node draws under it. */

import { expect, test } from "vitest";
import { createEngine, openPixelcnn, toImageData } from "../../src/index.ts";
import { embedTexts } from "../../src/text/sentence-vectors.ts";
import { noStudio, openStudio } from "./opened-studio.ts";

test.skipIf(noStudio)(
  `a text is drawn as Node draws it, bit for bit${noStudio}`,
  async () => {
    const { page, complaints, close } = await openStudio();
    try {
      await page.selectOption(".picker select", "emoji");
      await page.waitForSelector("#text");
      await page.check("text=Show images only when they are finished");
      await page.click('.panel button:text-is("4")');
      await page.fill("#text", "red heart");
      await page.click('.panel button:text-is("Draw this text")');
      await page.waitForSelector('.hint:has-text("--text \\"red heart\\"")');
      await page.waitForFunction(() => /^4 images in/.test(document.querySelector(".figures")?.textContent ?? ""));

      const model = await openPixelcnn("emoji");
      const engine = createEngine(model);
      const { vectors } = await embedTexts(["red heart"]);
      const truth = await engine.sample({ count: 4, seed: 1, conditions: Float32Array.from(vectors) });
      await engine.close();
      const shape = { ...truth, levels: engine.levels };
      const drawn = (): Promise<number[][]> =>
        page.$$eval(".wall canvas", (found) =>
          found.map((element) => {
            const canvas = element as HTMLCanvasElement;
            return [...canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height).data];
          }),
        );
      // A canvas keeps colours times alpha: below full alpha only alpha comes back as it was.
      const kept = (data: ArrayLike<number>): number[] =>
        Array.from(data, (value, i) => (i % 4 === 3 || data[i - (i % 4) + 3] === 255 ? value : 0));
      const expected = [0, 1, 2, 3].map((i) => kept(toImageData(shape, i).data));
      expect(expected.flat().filter((value) => value > 0).length).toBeGreaterThan(5000);
      await expect.poll(async () => (await drawn()).map(kept)).toEqual(expected);
      expect(complaints.filter((text) => !/Multiple readback operations/.test(text))).toEqual([]);
    } finally {
      await close();
    }
  },
  90_000,
);
