/**
 * How fast is the exact engine in a browser? One sample, and 16 in lock step, in headless Chromium beside Node, one
 * thread each, turn by turn in one run.
 *   node bench/browser.ts [--model mnist-binary] [--rounds 21]
 * Both draw the same pixels, or it fails. $CHROMIUM says where the browser is; default /usr/bin/chromium.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { build } from "vite";
import { prepare, sampled } from "./browser-work.ts";

const { values } = parseArgs({
  options: { model: { type: "string", default: "mnist-binary" }, rounds: { type: "string", default: "21" } },
});
const rounds = Number(values.rounds);
const model = fileURLToPath(new URL(`../models/${values.model}/`, import.meta.url));
const bundle = mkdtempSync(join(tmpdir(), "pixelcnn-bench-browser-"));

await build({
  configFile: false,
  logLevel: "error",
  build: {
    outDir: bundle,
    target: "es2022",
    rollupOptions: {
      input: fileURLToPath(new URL("./browser-work.ts", import.meta.url)),
      output: { entryFileNames: "page.js" },
    },
  },
});
const server = createServer((request, response) => {
  const path = request.url ?? "/";
  if (path === "/")
    return void response
      .setHeader("content-type", "text/html")
      .end(`<!doctype html><script type="module" src="/page.js"></script>`);
  try {
    const bytes = readFileSync(path.startsWith("/model/") ? join(model, path.slice(7)) : join(bundle, path));
    response
      .setHeader("content-type", path.endsWith(".js") ? "text/javascript" : "application/octet-stream")
      .end(bytes);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});

try {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await page.waitForFunction("typeof prepareFrom === 'function'");
  await page.evaluate(`prepareFrom("/model")`);
  prepare(readFileSync(join(model, "config.json"), "utf8"), readFileSync(join(model, "model.safetensors")));

  const inPage = async (count: number): ReturnType<typeof sampled> => page.evaluate(`sampled(${count})`);
  const median = (times: number[]): number => times.sort((a, b) => a - b)[times.length >> 1]!;
  console.log(
    `${values.model}, Node ${process.versions.node} and Chromium ${browser.version()}, one thread each; median of ` +
      `${rounds}`,
  );
  for (const count of [1, 16]) {
    const node: number[] = [];
    const chromium: number[] = [];
    for (let round = -3; round < rounds; round++) {
      const ours = await sampled(count);
      const theirs = await inPage(count);
      if (ours.pixels !== theirs.pixels)
        throw new Error(`expected the same ${count} samples from both but they differ`);
      if (round < 0) continue; // the compilers' time
      node.push(ours.ms);
      chromium.push(theirs.ms);
    }
    const [inNode, inBrowser] = [median(node), median(chromium)];
    console.log(
      `${count === 1 ? "one sample" : `${count} at once, an image`}: Node ${(inNode / count).toFixed(2)} ms, ` +
        `Chromium ${(inBrowser / count).toFixed(2)} ms, ${(inNode / inBrowser).toFixed(2)}x as fast as Node`,
    );
  }
} finally {
  await browser.close();
  server.close();
  rmSync(bundle, { recursive: true, force: true });
}
