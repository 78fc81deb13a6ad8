/**
 * The browser door, bundled as a user's bundler would and run in Chromium: what needs no files works there, and says
 * the same as in Node. Skipped where no Chromium is installed (npm run setup -- --browser installs it on Debian).
 */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { archive, nats, opened } from "./page.ts";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const types: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

describe.skipIf(!existsSync(executablePath))("in Chromium", () => {
  const folder = mkdtempSync(join(tmpdir(), "pixelcnn-browser-"));
  let server: Server;
  let browser: Browser;

  beforeAll(async () => {
    const input = fileURLToPath(new URL("./index.html", import.meta.url));
    await build({
      root: fileURLToPath(new URL(".", import.meta.url)),
      logLevel: "error",
      base: "./",
      build: { outDir: folder, emptyOutDir: true, target: "es2022", rollupOptions: { input } },
    });
    server = createServer((request, response) => {
      const path = join(folder, request.url === "/" ? "index.html" : request.url!.slice(1));
      if (!existsSync(path)) return void response.writeHead(404).end();
      response.setHeader("content-type", types[extname(path)] ?? "application/octet-stream").end(readFileSync(path));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    browser = await chromium.launch({
      executablePath,
      args: [
        "--no-sandbox",
        "--disable-quic",
        "--disable-background-networking",
        "--no-first-run",
        "--disable-sync",
        "--disable-component-update",
      ],
    });
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test("the throughput engine gives Node's likelihoods to 1e-4 nats, and the page logs no error", async () => {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction("typeof nats === 'function'");
    const found = (await page.evaluate("nats()")) as number[];
    const expected = await nats();
    expect(found).toHaveLength(expected.length);
    for (const [i, x] of found.entries()) expect(Math.abs(x - expected[i]!)).toBeLessThan(1e-4);
    expect(errors).toEqual([]);
  }, 120_000);

  test("an archive with its model inside has Node's bytes, and opens with nothing else", async () => {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction("typeof opened === 'function'");
    const expected = await archive();
    expect(await page.evaluate("archive()")).toEqual(expected);
    const images = (await page.evaluate(`opened(${JSON.stringify(expected)})`)) as number[][];
    expect(images).toEqual(await opened(expected));
    expect(images).toHaveLength(5);
  }, 120_000);
});
