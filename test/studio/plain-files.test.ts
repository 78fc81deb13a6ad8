/** The page that `pixelcnn studio --write` makes, below a folder of a web server that knows nothing of it. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodePng } from "../../src/pictures/png.ts";
import { builtPage, writePage } from "../../src/server/page-files.ts";
import { launch, serve } from "../package/browser.ts";
import { noStudio } from "./opened-studio.ts";

test.skipIf(noStudio)(
  `the page as plain files offers no set of a machine, and compares with PNG, WebP and JPEG XL${noStudio}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "pixelcnn-plain-"));
    await writePage(builtPage(), join(folder, "site"));
    const server = await serve([folder]);
    const browser = await launch();
    try {
      const page = await browser.newPage();
      const complaints: string[] = [];
      const requests: string[] = [];
      page.on("console", (said) => ["error", "warning"].includes(said.type()) && complaints.push(said.text()));
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("request", (request) => requests.push(request.url()));
      await page.goto(`${server.url}site/index.html#/train`);
      await page.waitForSelector("figcaption:has-text('2000 images')");
      const sets = await page.$$eval(".choices >> nth=0 >> button", (all) => all.map((one) => one.textContent));
      expect(sets).toEqual(["shapes", "letters", "yours"]);

      await page.click('nav a:text-is("Compress")');
      const pixels = Uint8Array.from({ length: 784 }, (_, i) => (i % 5 === 0 ? 255 : 0));
      const buffer = Buffer.from(encodePng({ height: 28, width: 28, channels: 1, pixels }));
      await page.setInputFiles('.drop input[type="file"]', [{ name: "a.png", mimeType: "image/png", buffer }]);
      await page.click('button:text-is("Compare with PNG, WebP and JPEG XL")');
      await page.waitForSelector('.sizes li:has-text("JPEG XL")');
      const bytes = await page.$$eval(".sizes li span:last-child", (all) =>
        all.map((one) => Number.parseInt(one.textContent!, 10)),
      );
      expect(bytes).toHaveLength(5);
      expect(bytes.every((size) => size > 0)).toBe(true);
      expect(requests.every((one) => one.startsWith(`${server.url}site/`) || /^(blob|data):/.test(one))).toBe(true);
      // What the page asks to learn whether `pixelcnn studio` serves it.
      expect(complaints.filter((text) => !/status of 404/.test(text))).toEqual([]);
    } finally {
      await browser.close();
      server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
  60_000,
);
