/** A user's page through each bundler, as its documentation has it; and what the bundler was asked for on the way. */

import { cpSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import esbuild from "esbuild";
import { build as viteBuild } from "vite";
import webpack from "webpack";

export interface Bundle {
  readonly name: string;
  /** What to serve. */
  readonly folder: string;
  /** Every name that the bundler had to find a module for. */
  readonly asked: readonly string[];
  readonly warnings: readonly string[];
}

/** `page` is a folder with main.js, and index.html for Vite; `out` is where the bundle goes. */
export type Bundler = (page: string, out: string, entry?: string) => Promise<Bundle>;

export const vite: Bundler = async (page, out, entry) => {
  const asked: string[] = [];
  const warnings: string[] = [];
  await viteBuild({
    root: page,
    base: "./",
    configFile: false,
    logLevel: "silent",
    build: {
      outDir: out,
      emptyOutDir: true,
      chunkSizeWarningLimit: 1000,
      ...(entry === undefined
        ? {}
        : { lib: { entry: join(page, entry), formats: ["es"], fileName: "main" }, minify: true }),
      rolldownOptions: { onwarn: ({ code, message }) => void (code === "PLUGIN_TIMINGS" || warnings.push(message)) },
    },
    plugins: [{ name: "asked", enforce: "pre", resolveId: (id) => void asked.push(id) }],
  });
  return { name: "vite", folder: out, asked, warnings };
};

export const esbuildPage: Bundler = async (page, out, entry = "main.js") => {
  const asked: string[] = [];
  const { warnings } = await esbuild.build({
    entryPoints: [join(page, entry)],
    entryNames: "main",
    outdir: out,
    absWorkingDir: page,
    bundle: true,
    splitting: true,
    format: "esm",
    minify: true,
    logLevel: "silent",
    plugins: [
      { name: "asked", setup: (build) => build.onResolve({ filter: /.*/ }, ({ path }) => void asked.push(path)) },
    ],
  });
  if (entry === "main.js") cpSync(join(page, "index.html"), join(out, "index.html"));
  return { name: "esbuild", folder: out, asked, warnings: warnings.map(({ text }) => text) };
};

/**
 * What esbuild has to be told: the scripts of the threads, beside the page's own and by these names; and copies of
 * files.
 */
export const esbuildWhole: Bundler = async (page, out) => {
  const bundle = await esbuildPage(page, out);
  await esbuild.build({
    ...{
      entryPoints: { worker: "pixelcnn/worker", "group-worker": "pixelcnn/codec-worker" },
      outdir: out,
      absWorkingDir: page,
    },
    bundle: true,
    format: "esm",
    minify: true,
    logLevel: "silent",
  });
  const packages = join(page, "..", "node_modules");
  const runtime = join(packages, "onnxruntime-web", "dist");
  for (const file of readdirSync(runtime).filter((name) => /^ort-wasm-simd-threaded(\.asyncify)?\.wasm$/.test(name)))
    cpSync(join(runtime, file), join(out, file));
  mkdirSync(join(out, "models"));
  cpSync(join(packages, "pixelcnn", "models", "mnist"), join(out, "models", "mnist"), { recursive: true });
  return { ...bundle, name: "esbuild, told of workers and files" };
};

export const webpackPage: Bundler = async (page, out, entry = "main.js") => {
  const asked: string[] = [];
  const compiler = webpack({
    mode: "production",
    context: page,
    entry: `./${entry}`,
    devtool: false,
    output: { path: out, clean: true },
    // Minifying takes ten seconds, and 40 MB of WebAssembly make big assets.
    optimization: { minimize: false, realContentHash: false },
    performance: { hints: false },
    plugins: [
      (plugged) =>
        plugged.hooks.normalModuleFactory.tap("asked", (factory) =>
          factory.hooks.beforeResolve.tap("asked", ({ request }) => void asked.push(request)),
        ),
    ],
  });
  const stats = await new Promise<webpack.Stats>((resolve, reject) =>
    compiler.run((error, result) => (error ? reject(error) : resolve(result!))),
  );
  await new Promise((resolve) => compiler.close(resolve));
  const { errors = [], warnings = [] } = stats.toJson({ all: false, errors: true, warnings: true });
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join("\n"));
  cpSync(join(page, "index.html"), join(out, "index.html"));
  return { name: "webpack", folder: out, asked, warnings: warnings.map(({ message }) => message) };
};

export interface Script {
  readonly name: string;
  readonly text: string;
  /** Bytes when compressed. */
  readonly gzip: number;
}

/** What a page loads at once: main.js, what that imports at its top, and the scripts of threads. */
export function loadedAtOnce(bundle: Bundle): Script[] {
  const scripts = scriptsOf(bundle);
  const reached = new Set(scripts.filter(({ name }) => /^main\.m?js$|worker/.test(name)));
  for (const { text } of reached)
    for (const [, name] of text.matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g))
      for (const script of scripts) if (script.name === name) reached.add(script);
  return [...reached];
}

/** JavaScript of a bundle. */
export function scriptsOf({ folder }: Bundle): Script[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.m?js$/.test(name))
    .map((name) => {
      const bytes = readFileSync(join(folder, name));
      return { name, text: bytes.toString(), gzip: gzipSync(bytes, { level: 9 }).length };
    });
}
