/**
 * Compress beside PNG, WebP and JPEG XL: the page's sizes are those of the same encoders in Node, whose files give the
 * same pixels back; and the encoders are loaded when they are asked for, from the page's own origin.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import createDecoder from "@jsquash/jxl/codec/dec/jxl_dec.js";
import createJxl from "@jsquash/jxl/codec/enc/jxl_enc.js";
import { defaultOptions as jxlDefaults } from "@jsquash/jxl/meta.js";
import { initSync, optimise_raw as optimisePng } from "@jsquash/oxipng/codec/pkg/squoosh_oxipng.js";
import createWebp from "@jsquash/webp/codec/enc/webp_enc_simd.js";
import { defaultOptions as webpDefaults } from "@jsquash/webp/meta.js";
import sharp from "sharp";
import { expect, test } from "vitest";
import { createEngine, openPixelcnn } from "../../src/index.ts";
import { encodePng } from "../../src/pictures/png.ts";
import { noStudio, openStudio } from "./opened-studio.ts";

const SIZE = { height: 28, width: 28 };
const require = createRequire(import.meta.url);
/** An encoder's WebAssembly, from its file: Node's fetch opens no file. */
const moduleOf = (name: string) => new WebAssembly.Module(readFileSync(require.resolve(name)));
const compiled = (name: string) => {
  const module = moduleOf(name);
  return {
    noInitialRun: true,
    instantiateWasm: (imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void) => {
      const instance = new WebAssembly.Instance(module, imports);
      done(instance);
      return instance.exports;
    },
  };
};

test.skipIf(noStudio)(
  `PNG, WebP and JPEG XL beside an archive${noStudio}`,
  async () => {
    const { pixels } = await createEngine(await openPixelcnn("mnist")).sample({ count: 3, seed: 5 });
    const images = [0, 1, 2].map((i) => pixels.subarray(i * 784, (i + 1) * 784));

    const [webp, jxl, decoder] = await Promise.all([
      createWebp(compiled("@jsquash/webp/codec/enc/webp_enc_simd.wasm")),
      createJxl(compiled("@jsquash/jxl/codec/enc/jxl_enc.wasm")),
      createDecoder(compiled("@jsquash/jxl/codec/dec/jxl_dec.wasm")),
    ]);
    initSync(moduleOf("@jsquash/oxipng/codec/pkg/squoosh_oxipng_bg.wasm"));
    const expected = { png: 0, webp: 0, jxl: 0 };
    const check = async (rgba: Uint8Array): Promise<typeof expected> => {
      const asPng = optimisePng(Uint8ClampedArray.from(rgba), 28, 28, 6, false, false);
      expect([...(await sharp(asPng).toColourspace("srgb").ensureAlpha().raw().toBuffer())]).toEqual([...rgba]);
      const asWebp = webp.encode(rgba, 28, 28, { ...webpDefaults, lossless: 1, exact: 1, quality: 100, method: 6 })!;
      const asJxl = jxl.encode(rgba, 28, 28, { ...jxlDefaults, lossless: true, quality: 100, effort: 9 })!;
      expect([...(await sharp(asWebp.slice()).ensureAlpha().raw().toBuffer())]).toEqual([...rgba]);
      expect([...(decoder.decode(asJxl.slice()) as ImageData).data]).toEqual([...rgba]);
      return { png: asPng.length, webp: asWebp.length, jxl: asJxl.length };
    };
    for (const image of images) {
      const sizes = await check(Uint8Array.from({ length: 784 * 4 }, (_, i) => (i % 4 === 3 ? 255 : image[i >> 2]!)));
      expected.png += sizes.png;
      expected.webp += sizes.webp;
      expected.jxl += sizes.jxl;
    }
    // Transparent pixels keep their colours.
    await check(Uint8Array.from({ length: 784 * 4 }, (_, i) => (i % 4 === 3 ? 255 * (i & 8 ? 1 : 0) : (i * 7) % 251)));

    const { page, url, complaints, requests, go, close } = await openStudio();
    try {
      await page.selectOption(".picker select", "mnist");
      await page.waitForSelector('.about:has-text("256 greys")');
      await go("Compress");
      await page.setInputFiles(
        '.drop input[type="file"]',
        images.map((image, i) => ({
          name: `${i}.png`,
          mimeType: "image/png",
          buffer: Buffer.from(encodePng({ ...SIZE, channels: 1, pixels: image })),
        })),
      );
      await page.waitForSelector(".sizes");
      const sizes = (): Promise<string[]> =>
        page.$$eval(".sizes li", (all) =>
          all.map((one) => [...one.children].map((part) => part.textContent).join(" ")),
        );
      expect((await sizes()).map((line) => line.replace(/ .*/, ""))).toEqual(["this", "your"]);
      expect(requests.filter((one) => /jxl_enc|webp_enc|oxipng/.test(one))).toEqual([]);
      await page.evaluate(() => {
        const found: number[] = [];
        Object.assign(window, { found });
        const take = (list: PerformanceObserverEntryList): unknown =>
          found.push(...list.getEntries().map(({ duration }) => duration));
        new PerformanceObserver(take).observe({ type: "longtask" });
      });
      await page.click('button:text-is("Compare with PNG, WebP and JPEG XL")');
      await page.waitForSelector('.sizes li:has-text("JPEG XL")');
      // The encoders run in a worker.
      const longest = await page.evaluate(() => Math.max(0, ...(window as unknown as { found: number[] }).found));
      expect(longest).toBeLessThan(process.env.CI ? 400 : 100);
      expect(await sizes()).toEqual(
        expect.arrayContaining([
          `as JPEG XL  ${expected.jxl} bytes`,
          `as WebP  ${expected.webp} bytes`,
          `as PNG  ${expected.png} bytes`,
        ]),
      );
      expect(requests.filter((url) => /((jxl|webp)_enc|oxipng).*\.wasm$/.test(url)).length).toBe(3);
      expect(requests.every((one) => one.startsWith(url) || /^(blob|data):/.test(one))).toBe(true);
      expect(complaints).toEqual([]);
    } finally {
      await close();
    }
  },
  60_000,
);
