/**
 * The same golden bits in Chromium, in the page and in web workers, of the tests' models and of those that ship (all
 * images with PIXELCNN_SLOW=1). Skipped where no Chromium is installed.
 */

import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { conditionGolden } from "./condition-hashes.test-support.ts";
import type { EngineOptions } from "./engine.ts";
import { golden } from "./golden.test-support.ts";
import { goldenOf, PART, shippedGolden, WHOLE } from "./shipped-golden.test-support.ts";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const root = new URL("../../", import.meta.url);

/**
 * Serves the sources as they are, types stripped: what Node runs, the browser runs. Workers know no import map, so bare
 * names become paths.
 */
function serve(): Server {
  return createServer((request, response) => {
    const path = request.url ?? "/";
    if (path === "/") {
      response.setHeader("content-type", "text/html").end("<!doctype html>");
      return;
    }
    try {
      const bytes = readFileSync(new URL(`.${path}`, root));
      if (!/\.[jt]s$/.test(path)) {
        response.setHeader("content-type", "application/octet-stream").end(bytes);
        return;
      }
      let text = bytes.toString();
      if (path.endsWith(".ts")) text = stripTypeScriptTypes(text);
      text = text.replace(
        /from "(pure-rand\/[^"]+)"/g,
        (_, name: string) => `from "/${fileURLToPath(import.meta.resolve(name)).slice(fileURLToPath(root).length)}"`,
      );
      response.setHeader("content-type", "text/javascript").end(text);
    } catch {
      response.writeHead(404).end();
    }
  });
}

describe.skipIf(!existsSync(executablePath))("in Chromium", () => {
  let server: Server;
  let browser: Browser;
  beforeAll(async () => {
    server = serve();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  /** What a function of a test-support file gives, called in a page of its own. */
  async function inPage(file: string, name: string, ...args: unknown[]): Promise<unknown> {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const found = await page.evaluate(
      `import("/src/exact/${file}").then((it) => it.${name}(...${JSON.stringify(args)}))`,
    );
    await page.close();
    return found;
  }

  test.each([{}, { batch: 3 }, { threads: 2 }])(
    "with %o: the golden bits",
    async (options) => {
      expect(await inPage("hashes.test-support.ts", "hashes", options)).toEqual(golden);
    },
    60_000,
  );

  test.each([{}, { threads: 2, batch: 5 }])(
    "conditioned and guided models, with %o: the golden bits",
    async (options) => {
      expect(await inPage("condition-hashes.test-support.ts", "conditionHashes", options)).toEqual(conditionGolden);
    },
    120_000,
  );

  describe.each(Object.keys(shippedGolden))("%s", (name) => {
    const slow = process.env.PIXELCNN_SLOW === "1";
    const bounded: EngineOptions[] = [{ batch: 1 }, { threads: 2, batch: 7 }];
    const others = slow ? [...bounded, { batch: 3 }, { batch: 16 }, { threads: 1 }] : bounded;
    const ways: [EngineOptions, typeof WHOLE][] = [
      [{}, WHOLE],
      ...others.map((options): [EngineOptions, typeof WHOLE] => [options, slow ? WHOLE : PART]),
    ];
    test.each(ways)(
      "with %o: the golden bits",
      async (options, many) => {
        expect(await inPage("shipped-golden.test-support.ts", "shippedHashes", name, { ...options, ...many })).toEqual(
          goldenOf(name, many),
        );
      },
      600_000,
    );
  });
});
