/** What the studio's Train learns from: sets of the machine that serves the page, IDX files, sheets and folders. */

import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { encodePng } from "../../src/pictures/png.ts";
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

test.skipIf(noStudio)(
  `an IDX file, a sheet of tiles and single images become sets, with what is left out${noStudio}`,
  async () => {
    const { page, complaints, go, close } = await openStudio();
    try {
      await go("Train");
      await page.click('.panel button:text-is("yours")');
      const give = async (files: { name: string; bytes: Uint8Array }[], words: string): Promise<void> => {
        await page.setInputFiles(
          '.drop input[type="file"]',
          files.map(({ name, bytes }) => ({ name, mimeType: "application/octet-stream", buffer: Buffer.from(bytes) })),
        );
        await page.waitForFunction((wanted) => document.querySelector("figcaption")?.textContent === wanted, words, {
          timeout: 10_000,
        });
      };
      const first = (): Promise<number[]> =>
        page.$eval(".strip canvas", (element) => {
          const canvas = element as HTMLCanvasElement;
          const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
          return [...data.filter((_, i) => i % 4 === 0)];
        });

      // Three images of 2x3.
      const idx = Uint8Array.of(
        0,
        0,
        8,
        3,
        0,
        0,
        0,
        3,
        0,
        0,
        0,
        2,
        0,
        0,
        0,
        3,
        ...Array.from({ length: 18 }, (_, i) => i),
      );
      await give([{ name: "train-images-idx3-ubyte", bytes: idx }], "3 images of 2 × 3: train-images-idx3-ubyte");
      await expect.poll(first).toEqual([0, 1, 2, 3, 4, 5]);
      await give([{ name: "t.idx3-ubyte.gz", bytes: gzipSync(idx) }], "3 images of 2 × 3: t.idx3-ubyte.gz");

      // Four tiles of 8x8, of which one is empty.
      await page.click('.panel button:text-is("8")');
      const sheet = Uint8Array.from({ length: 256 }, (_, p) => (p % 16 >= 8 && p >= 128 ? 7 : p));
      const png = encodePng({ height: 16, width: 16, channels: 1, pixels: sheet });
      await give([{ name: "sheet.png", bytes: png }], "3 images of 8 × 8: sheet.png; left out: 1 tile of one colour");
      await expect
        .poll(async () => (await first()).slice(0, 16))
        .toEqual([0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);

      const image = (value: number): Uint8Array =>
        encodePng({ height: 8, width: 8, channels: 1, pixels: new Uint8Array(64).fill(value) });
      await give(
        [
          { name: "a.png", bytes: image(10) },
          { name: "b.png", bytes: image(20) },
          { name: "c.png", bytes: new TextEncoder().encode("no picture") },
        ],
        "2 images of 8 × 8: 3 files; left out: c.png: it is no image that this browser can read",
      );
      await expect.poll(first).toEqual(new Array(64).fill(10));

      // Labels are no images: the set stays, and a message says why.
      await page.setInputFiles('.drop input[type="file"]', {
        name: "labels-idx1-ubyte",
        mimeType: "application/octet-stream",
        buffer: Buffer.from([0, 0, 8, 1, 0, 0, 0, 1, 5]),
      });
      await page.waitForSelector('.problem:has-text("expected an IDX file of images")');
      expect(complaints.filter((text) => !/Multiple readback operations/.test(text))).toEqual([]);
    } finally {
      await close();
    }
  },
  120_000,
);
