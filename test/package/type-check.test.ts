/**
 * The types of the installed package, checked to the last declaration: a page's doors without Node's types, Node's
 * door without a page's.
 */

import { spawnSync } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { install, root } from "./installed.ts";

const installed = await install();
const reason = typeof installed === "string" ? installed : undefined;
const { native, plain } = installed as Exclude<typeof installed, string>;

/** What the compiler says of one program in an installed folder, and the files that it read. */
function checkTypes(program: "page.ts" | "node.ts", resolution: "nodenext" | "bundler") {
  const folder = program === "page.ts" ? native : plain;
  // An .mts file is a module in a folder whose package.json does not say so.
  const module = program.replace(".ts", ".mts");
  copyFileSync(join(root, "test", "package", "consumer", program), join(folder, module));
  const name = `tsconfig.${program}.${resolution}.json`;
  writeFileSync(
    join(folder, name),
    JSON.stringify({
      compilerOptions: {
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        target: "es2022",
        moduleResolution: resolution,
        module: resolution === "nodenext" ? "nodenext" : "esnext",
        lib: program === "page.ts" ? ["es2022", "dom"] : ["es2023"],
        types: program === "page.ts" ? [] : ["node"],
        listFiles: true,
      },
      files: [module],
    }),
  );
  const tsc = join(root, "node_modules", ".bin", "tsc");
  const { stdout } = spawnSync(tsc, ["-p", name], { cwd: folder, encoding: "utf8", maxBuffer: 1e8 });
  const lines = stdout.trim().split("\n");
  const isFile = (line: string): boolean => /^\/|^[A-Z]:/.test(line);
  return { errors: lines.filter((line) => !isFile(line)), files: lines.filter(isFile) };
}

describe.skipIf(reason)(`types${reason ? ` (skipped: ${reason})` : ""}`, () => {
  for (const resolution of ["nodenext", "bundler"] as const) {
    test(`${resolution}: "pixelcnn" and "pixelcnn/graph" need no types of Node`, () => {
      const { errors, files } = checkTypes("page.ts", resolution);
      expect(errors).toEqual([]);
      expect(files.some((file) => file.endsWith("pixelcnn/dist/index.d.ts"))).toBe(true);
      expect(files.filter((file) => file.includes("@types/node"))).toEqual([]);
    });

    test(`${resolution}: "pixelcnn/node" needs no types of a page`, () => {
      const { errors, files } = checkTypes("node.ts", resolution);
      expect(errors).toEqual([]);
      expect(files.some((file) => file.endsWith("pixelcnn/dist/node.d.ts"))).toBe(true);
      expect(files.filter((file) => file.endsWith("lib.dom.d.ts"))).toEqual([]);
    });
  }
});
