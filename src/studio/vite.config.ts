/**
 * Builds the page from the compiled library in dist/, as a user's bundler would: everything that it needs, workers,
 * shipped models and the runtime's files, goes to dist/studio, and works from any folder of a web server.
 */

import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "..", "..");

/** What the studio imports from other folders of src/ is taken from dist/, where bundlers find the workers. */
const fromDist: Plugin = {
  name: "studio-from-dist",
  enforce: "pre",
  resolveId(source, importer) {
    if (!importer || !source.endsWith(".ts") || !source.startsWith("..")) return null;
    const from = relative(resolve(root, "src"), resolve(dirname(importer.replace(/\?.*$/, "")), source));
    if (from.startsWith("..") || from.startsWith("studio/")) return null;
    return resolve(root, "dist", from.replace(/\.ts$/, ".js"));
  },
};

export default defineConfig({
  root: here,
  base: "./",
  logLevel: "warn",
  plugins: [fromDist],
  worker: { format: "es", plugins: () => [fromDist] },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: resolve(root, "dist", "studio"),
    emptyOutDir: true,
    target: "es2022",
    // Models and the runtime are fetched when asked for, never inlined.
    assetsInlineLimit: 0,
  },
});
