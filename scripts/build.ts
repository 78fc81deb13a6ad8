/**
 * Compiles src/ to dist/: JavaScript and types, one file a source file, tests left out. The command line gets its first
 * line. The studio's page is bundled into dist/studio.
 */

import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
