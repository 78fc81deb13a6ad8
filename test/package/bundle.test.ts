/**
 * A page that uses the installed package, through Vite, esbuild and webpack: nothing of Node is asked for, little is
 * sent, and in Chromium it draws what Node draws.
 */

import { createHash } from "node:crypto";
import { cpSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import esbuild from "esbuild";
import type { Browser } from "playwright-core";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compress, createEngine, openModel } from "../../src/index.ts";
import { foreign, launch, noBrowser, open, type Served, serve } from "./browser.ts";
import {
  type Bundle,
  type Bundler,
  esbuildPage,
  esbuildWhole,
  loadedAtOnce,
  scriptsOf,
  vite,
  webpackPage,
} from "./bundles.ts";
import { install, root } from "./installed.ts";

const installed = await install();
const reason = typeof installed === "string" ? installed : undefined;
const { native } = installed as Exclude<typeof installed, string>;

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const model = await openModel("mnist");
const drawn = await createEngine(model).sample({ count: 2, seed: 7 });
const expected = {
  pixels: sha256(drawn.pixels),
  file: sha256(await compress(model, drawn, { groupSize: 1 })),
};

/** Files of ONNX Runtime, whatever a bundler calls them: the engine's own WebAssembly is part of its script. */
const RUNTIME = /\bort\.|onnxruntime|\.wasm$/;
const NODE = new Set(builtinModules);
const ofNode = (name: string): boolean => /^node:|^onnxruntime-node/.test(name) || NODE.has(name);

describe.skipIf(reason)(`bundles${reason ? ` (skipped: ${reason})` : ""}`, () => {
  let page: string;
  let browser: Browser | undefined;
  beforeAll(async () => {
    page = join(native, "page");
    cpSync(join(root, "test", "package", "page"), page, { recursive: true });
    if (!noBrowser) browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    await esbuild.stop();
  });

  /** In Chromium: the page draws and compresses as Node does, on no thread and on two; its complaints and requests. */
  async function draws(url: string, options: object = {}) {
    const opened = await open(browser!, url);
    for (const threads of [0, 2]) {
      expect(await opened.call("sample", { ...options, threads, show: true })).toBe(expected.pixels);
      expect(await opened.call("roundTrip", { ...options, threads })).toEqual(expected);
    }
    expect(foreign(opened, url)).toEqual([]);
    expect(opened.requests.filter((request) => RUNTIME.test(request))).toEqual([]);
    return opened;
  }

  const bundlers: [string, Bundler][] = [
    ["vite", vite],
    ["webpack", webpackPage],
    ["esbuild, told of workers and files,", esbuildWhole],
  ];
  describe.each(bundlers)("%s", (name, bundler) => {
    let bundle: Bundle;
    let served: Served;
    beforeAll(async () => {
      bundle = await bundler(page, join(native, `out-${name.replace(/\W.*/, "")}`));
      served = await serve([bundle.folder]);
    }, 120_000);
    afterAll(() => served?.close());

    test("bundles the page without a warning, and is asked for nothing of Node", () => {
      expect(bundle.warnings).toEqual([]);
      expect(bundle.asked.some((id) => id === "pixelcnn" || id.includes("pixelcnn/dist"))).toBe(true);
      expect(bundle.asked.filter(ofNode)).toEqual([]);
      for (const { text } of scriptsOf(bundle))
        expect(text).not.toMatch(/(\bfrom|\bimport|\brequire\()\s*\(?["'](node:|onnxruntime-node)/);
    });

    test.skipIf(noBrowser)(
      `opens mnist, draws and compresses as Node does, on 0 and on 2 threads${noBrowser}`,
      async () => {
        const opened = await draws(served.url);
        expect(opened.complaints).toEqual([]);
        expect(opened.workers.length).toBeGreaterThanOrEqual(4); // two draw; two compress, and two more decompress
        await opened.page.close();
      },
    );

    test.skipIf(noBrowser)(`loads the runtime when training asks for it, and trains${noBrowser}`, async () => {
      const { call, complaints, requests, page: tab } = await open(browser!, served.url);
      expect(requests.filter((request) => RUNTIME.test(request))).toEqual([]);
      const { losses } = await call<{ losses: number[] }>("train", { steps: 5 });
      expect(requests.filter((request) => RUNTIME.test(request))).not.toEqual([]);
      expect(losses[4]!).toBeLessThan(losses[0]!);
      expect(complaints).toEqual([]);
      await tab.close();
    });
  });

  describe("esbuild, told of nothing,", () => {
    let served: Served;
    beforeAll(async () => {
      const { folder } = await esbuildPage(page, join(native, "out-bare"));
      served = await serve([folder, join(native, "served")]);
      cpSync(join(native, "node_modules", "pixelcnn", "models", "mnist"), join(native, "served", "digits"), {
        recursive: true,
      });
    });
    afterAll(() => served?.close());

    test.skipIf(noBrowser)(`says how to open a shipped model, and opens it by its URL${noBrowser}`, async () => {
      const { call, page: tab } = await open(browser!, served.url);
      await expect(call("sample")).rejects.toThrow('openModel("/models/mnist/"); see docs/web.md');
      expect(await call("sample", { model: "/digits/" })).toBe(expected.pixels);
      expect(await call("sample", { model: `${served.url}digits` })).toBe(expected.pixels);
      await expect(call("sample", { model: "/absent/" })).rejects.toThrow("the server answered 404");
      await tab.close();
    });

    test.skipIf(noBrowser)(
      `works on the calling thread where no worker is found, and warns once${noBrowser}`,
      async () => {
        const { complaints, page: tab } = await draws(served.url, { model: "/digits/" });
        const warnings = complaints.filter((text) => text.startsWith("pixelcnn: "));
        expect(warnings).toHaveLength(2); // one of the engine, one of the codec
        expect(warnings[0]).toContain(
          "no thread could start (its script did not load), so the calling thread works alone",
        );
        expect(warnings[0]).toContain(
          "pass startThread: () => webThread(new Worker(URL of the bundled pixelcnn/worker",
        );
        expect(warnings[1]).toContain("pixelcnn/codec-worker");
        await tab.close();
      },
    );

    test.skipIf(noBrowser)(`runs the threads that startThread starts${noBrowser}`, async () => {
      const threads = await serve([join(native, "out-bare"), join(native, "served"), join(native, "out-esbuild")]);
      const { call, complaints, page: tab } = await open(browser!, threads.url);
      expect(await call("sample", { model: "/digits/", threads: 2, worker: "/worker.js" })).toBe(expected.pixels);
      expect(await call("roundTrip", { model: "/digits/", threads: 2, worker: "/group-worker.js" })).toEqual(expected);
      expect(complaints).toEqual([]);
      threads.close();
      await tab.close();
    });

    test.skipIf(noBrowser)(`says how to serve the runtime, and takes it from wasmPaths${noBrowser}`, async () => {
      const lost = await open(browser!, served.url);
      await expect(lost.call("train", { steps: 1 })).rejects.toThrow(
        /cannot load ONNX Runtime's WebAssembly .* configureRuntime\(\{ wasmPaths: "\/ort\/" \}\); see docs\/web.md/,
      );
      const dist = join(native, "node_modules", "onnxruntime-web", "dist");
      for (const file of ["ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"])
        cpSync(join(dist, file), join(native, "served", "ort", file));
      for (const wasmPaths of ["/ort/", { wasm: "/ort/ort-wasm-simd-threaded.wasm" }]) {
        const found = await open(browser!, served.url);
        const { losses } = await found.call<{ losses: number[] }>("train", {
          steps: 5,
          runtime: { wasmPaths, threads: 1 },
        });
        expect(losses[4]!).toBeLessThan(losses[0]!);
        expect(found.complaints).toEqual([]);
        await found.page.close();
      }
      await lost.page.close();
    });
  });

  describe("Vite's development server", () => {
    let server: ViteDevServer;
    beforeAll(async () => {
      server = await createServer({
        root: page,
        configFile: false,
        logLevel: "silent",
        server: { port: 0, host: "127.0.0.1" },
      });
      await server.listen();
    });
    afterAll(() => server?.close());

    test.skipIf(noBrowser)(
      `opens mnist, draws, compresses and trains without any settings${noBrowser}`,
      async () => {
        const opened = await open(browser!, server.resolvedUrls!.local[0]!);
        for (const threads of [0, 2]) {
          expect(await opened.call("sample", { threads })).toBe(expected.pixels);
          expect(await opened.call("roundTrip", { threads })).toEqual(expected);
        }
        const { losses } = await opened.call<{ losses: number[] }>("train", { steps: 5 });
        expect(losses[4]!).toBeLessThan(losses[0]!);
        expect(opened.complaints).toEqual([]);
        await opened.page.close();
      },
      60_000,
    );
  });

  const small: [string, Bundler][] = [
    ["vite", vite],
    ["esbuild", esbuildPage],
  ];
  test.each(small)(
    "%s: engine and codec alone are below 100 kB of compressed JavaScript, without the runtime",
    async (name, bundler) => {
      const bundle = await bundler(page, join(native, `out-small-${name}`), "engine-and-codec.js");
      const scripts = loadedAtOnce(bundle);
      const kilobytes = ({ gzip }: { gzip: number }): string => `${(gzip / 1000).toFixed(1)} kB`;
      const sum = { gzip: scripts.reduce((so, { gzip }) => so + gzip, 0) };
      const parts = scripts.map((script) => `${script.name} ${kilobytes(script)}`).join(", ");
      console.log(`engine and codec, ${name}: ${kilobytes(sum)} (${parts})`);
      expect(sum.gzip).toBeLessThan(100_000);
      for (const { text } of scripts) expect(text).not.toMatch(/InferenceSession|ZodError|TensorProto/);
    },
  );

  test("the whole door is below 200 kB of compressed JavaScript until training asks for the runtime", async () => {
    const bundle = await esbuildPage(page, join(native, "out-bare-size"));
    const sum = loadedAtOnce(bundle).reduce((so, { gzip }) => so + gzip, 0);
    console.log(`a page that does all, esbuild: ${(sum / 1000).toFixed(1)} kB before the runtime`);
    expect(sum).toBeLessThan(200_000);
  });
});
