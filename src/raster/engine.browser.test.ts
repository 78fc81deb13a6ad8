/** The same golden bits in Chromium, in the page and in web workers. Skipped where no Chromium is installed. */

import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { golden } from "./golden.test-support.ts";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const root = new URL("../../", import.meta.url);

/** Serves the sources as they are, types stripped: what Node runs, the browser runs. Workers know no import map, so bare names become paths. */
function serve(): Server {
  return createServer((request, response) => {
    const path = request.url ?? "/";
    if (path === "/") {
      response.setHeader("content-type", "text/html").end("<!doctype html>");
      return;
    }
    try {
      let text = readFileSync(new URL(`.${path}`, root), "utf8");
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

  test.each([{}, { batch: 3 }, { threads: 2 }])(
    "with %o: the golden bits",
    async (options) => {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      const found = await page.evaluate(
        `import("/src/raster/hashes.test-support.ts").then(({ hashes }) => hashes(${JSON.stringify(options)}))`,
      );
      expect(found).toEqual(golden);
      await page.close();
    },
    60_000,
  );
});
