/**
 * Compiles src/ to dist/: JavaScript and types, one file a source file, tests left out. The command line gets its first
 * line. The studio's page is bundled into dist/studio.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });
const { status } = spawnSync(join(root, "node_modules", ".bin", "tsc"), ["-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});
if (status !== 0) process.exit(status ?? 1);

const main = join(dist, "cli", "main.js");
if (!existsSync(main)) throw new Error(`expected ${main} after the build`);
const text = readFileSync(main, "utf8");
if (!text.startsWith("#!")) writeFileSync(main, `#!/usr/bin/env node\n${text}`);
chmodSync(main, 0o755);

const { build } = await import("vite");
await build({ configFile: join(root, "src", "studio", "vite.config.ts") });

// The page's large files lie in the package already: models in models/, the runtime in a dependency. What is kept here
// is where each one is (server/page-files.ts), not a second copy.
const assets = join(dist, "studio", "assets");
const runtime = join(root, "node_modules", "onnxruntime-web", "dist");
const originals = new Map<string, string>();
const digestOf = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");
for (const model of readdirSync(join(root, "models"), { withFileTypes: true }))
  if (model.isDirectory())
    for (const file of ["config.json", "model.safetensors"])
      originals.set(digestOf(join(root, "models", model.name, file)), `models/${model.name}/${file}`);
for (const file of readdirSync(runtime).filter((name) => name.endsWith(".wasm")))
  originals.set(digestOf(join(runtime, file)), `onnxruntime-web/${file}`);
const elsewhere: Record<string, string> = {};
for (const name of readdirSync(assets).sort()) {
  if (!/\.(json|safetensors|wasm)$/.test(name)) continue;
  // The encoders that Compress compares with: of packages that only the page needs, so they are in it.
  if (/^((jxl|webp)_enc|squoosh_oxipng)/.test(name)) continue;
  const original = originals.get(digestOf(join(assets, name)));
  if (original === undefined) throw new Error(`expected ${name} of the page among models/ and the runtime's files`);
  elsewhere[name] = original;
  rmSync(join(assets, name));
}
writeFileSync(join(dist, "studio", "elsewhere.json"), `${JSON.stringify(elsewhere, null, 2)}\n`);
