/**
 * The rules of ARCHITECTURE.md that a machine can hold: who imports whom, which file owns which library, names, lengths
 * and what no source may mention. Read from the sources as they stand, tests left out where a rule is about what ships.
 */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { basename, dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const read = (file: string): string => readFileSync(join(root, file), "utf8");

/** Files of the tree that git tracks or would track. */
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file !== "" && existsSync(join(root, file)));
const isTest = (file: string): boolean => /\.test\.ts$|\.test-support\.ts$/.test(file);
const shipped = files.filter((file) => /^src\/.*\.tsx?$/.test(file) && !isTest(file) && !/\.d\.ts$/.test(file));

interface Import {
  readonly target: string;
  /** Erased when the program runs. */
  readonly type: boolean;
  /** `import(...)`, which loads only when it is reached. */
  readonly late: boolean;
}

/** What a source imports: packages by their name, own files by their path from the root. */
function importsOf(file: string): Import[] {
  const text = read(file).replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const found: Import[] = [];
  const add = (target: string, type: boolean, late: boolean): void => {
    found.push({ target: target.startsWith(".") ? normalize(join(dirname(file), target)) : target, type, late });
  };
  for (const [, type, target] of text.matchAll(/^(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm))
    add(target!, type !== undefined, false);
  for (const [, target] of text.matchAll(/\bimport\(\s*"([^"]+)"\s*\)/g)) add(target!, false, true);
  return found;
}
const imports = new Map(shipped.map((file) => [file, importsOf(file)]));

/** The part of the house that a file belongs to: its folder, or its own name at the top. */
function floorOf(file: string): string {
  const [first, second] = file.replace(/^src\//, "").split("/") as [string, string?];
  if (second !== undefined) return first;
  return /^(errors|tensor|random|platform|words|schema-words|nearest|csv|jobs|found)\.ts$/.test(first)
    ? "ground"
    : first.replace(/\.ts$/, "");
}

const everything = [...new Set(shipped.map(floorOf))];
/** Which floors each floor may import, besides itself. */
const MAY_USE: Record<string, readonly string[]> = {
  ground: [],
  onnx: ["ground", "threads"],
  autodiff: ["ground", "onnx"],
  network: ["ground", "onnx"],
  models: ["ground", "onnx", "network"],
  data: ["ground", "pictures"],
  pictures: ["ground", "data"],
  text: ["ground", "data"],
  train: ["ground", "onnx", "autodiff", "network", "models", "data"],
  measure: ["ground", "onnx", "network", "models", "data"],
  threads: ["ground"],
  exact: ["ground", "network", "models", "threads"],
  codec: ["ground", "network", "models", "exact", "threads"],
  runs: everything.filter(
    (floor) => !["cli", "reports", "queue", "server", "studio", "index", "node", "graph"].includes(floor),
  ),
  reports: ["ground", "models", "network", "measure", "codec", "pictures", "runs"],
  graph: ["ground", "onnx", "autodiff", "network"],
  queue: everything.filter((floor) => !["cli", "server", "studio", "index", "node", "graph"].includes(floor)),
  index: everything.filter((floor) => !["cli", "reports", "queue", "server", "node"].includes(floor)),
  node: everything.filter((floor) => !["cli", "queue", "server"].includes(floor)),
  cli: everything,
  server: everything.filter((floor) => !["cli", "queue", "studio"].includes(floor)),
  studio: everything.filter((floor) => !["cli", "queue", "server", "node"].includes(floor)),
};

test("imports are found, of every form", () => {
  const targets = (file: string): string[] => imports.get(file)!.map(({ target }) => target);
  expect(targets("src/onnx/session.ts")).toContain("#onnxruntime");
  expect(targets("src/onnx/session.ts")).toContain("src/errors.ts");
  expect(targets("src/autodiff/rules.ts")).toContain("src/onnx/ops.ts");
  expect(targets("src/node.ts")).toContain("src/index.ts");
});

test("imports between floors go one way", () => {
  const wrong: string[] = [];
  for (const [file, list] of imports) {
    const floor = floorOf(file);
    const allowed = MAY_USE[floor];
    if (!allowed)
      wrong.push(`${file}: no floor is named ${floor}; give it its place in this test and in ARCHITECTURE.md`);
    for (const { target } of list) {
      if (!target.startsWith("src/")) continue;
      const below = floorOf(target);
      if (below !== floor && !allowed?.includes(below)) wrong.push(`${file} (${floor}) imports ${target} (${below})`);
    }
  }
  expect(wrong).toEqual([]);
});

test("only train differentiates: no layer, head, model or evaluation imports autodiff", () => {
  const users = [...imports].filter(([, list]) => list.some(({ target }) => target.startsWith("src/autodiff/")));
  expect(new Set(users.map(([file]) => floorOf(file)))).toEqual(new Set(["autodiff", "train", "graph"]));
});

test("one foreign library, one file", () => {
  const owners: [RegExp, RegExp][] = [
    [/^(onnxruntime-|#onnxruntime)/, /^src\/onnx\/session\.ts$/],
    [/^(@bufbuild\/protobuf|onnx-buf)/, /^src\/onnx\/proto\.ts$/],
    [/^@energetic-ai\//, /^src\/text\/sentence-vectors\.ts$/],
    [/^(@hono\/|hono)/, /^src\/server\//],
    [/^open$/, /^src\/server\/open-page\.ts$/],
    [/^uplot/, /^src\/studio\/chart\.tsx$/],
    [/^@jsquash\//, /^src\/studio\/peer-sizes\.ts$/],
    [/^fast-png$/, /^src\/pictures\/png\.ts$/],
    [/^(bullmq|ioredis)$/, /^src\/queue\/store\.ts$/],
    [/^sharp$/, /^src\/data\/decode\.ts$/],
  ];
  const wrong: string[] = [];
  for (const [library, owner] of owners)
    for (const [file, list] of imports)
      for (const { target } of list)
        if (library.test(target) && !owner.test(file)) wrong.push(`${file} imports ${target}`);
  expect(wrong).toEqual([]);
});

test(
  "every package that the sources import is a dependency in package.json, or, where it is loaded late, an " +
    "optional one",
  () => {
    const { dependencies, devDependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(
      read("package.json"),
    ) as {
      dependencies: Record<string, string>;
      devDependencies: Record<string, string>;
      peerDependencies: Record<string, string>;
      peerDependenciesMeta: Record<string, { optional?: boolean }>;
    };
    const optional = (name: string): boolean =>
      name in peerDependencies && peerDependenciesMeta[name]?.optional === true;
    const builtin = new Set(builtinModules.flatMap((name) => [name, `node:${name}`]));
    const missing: string[] = [];
    for (const [file, list] of imports) {
      for (const { target, late } of list) {
        if (target.startsWith("src/") || target.startsWith("#") || builtin.has(target)) continue;
        const name = target
          .split("/")
          .slice(0, target.startsWith("@") ? 2 : 1)
          .join("/");
        // What the studio's page needs is bundled with it.
        if (floorOf(file) === "studio" && name in devDependencies) continue;
        if (!(name in dependencies) && !(late && optional(name))) missing.push(`${file} imports ${target}`);
      }
    }
    expect(missing).toEqual([]);
  },
);

test("no source has a line of more than 120 columns, but for the kernel's bytes", () => {
  const long = shipped.flatMap((file) =>
    read(file)
      .split("\n")
      .flatMap((line, i) => (line.length > 120 && file !== "src/exact/kernel-wasm.ts" ? [`${file}:${i + 1}`] : [])),
  );
  expect(long).toEqual([]);
});

test("no cycle of imports, types included", () => {
  const state = new Map<string, "open" | "done">();
  const cycles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === "done") return;
    if (state.get(file) === "open") {
      cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
      return;
    }
    state.set(file, "open");
    for (const { target } of imports.get(file) ?? []) if (imports.has(target)) visit(target, [...path, file]);
    state.set(file, "done");
  };
  for (const file of imports.keys()) visit(file, []);
  expect(cycles).toEqual([]);
});

test("what the browser's door loads needs nothing of Node", () => {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const { target, type, late } of imports.get(file) ?? [])
      if (!type && !late && imports.has(target)) visit(target);
  };
  visit("src/index.ts");
  const wrong = [...reached].flatMap((file) =>
    imports
      .get(file)!
      .filter(({ target, type, late }) => !type && !late && target.startsWith("node:"))
      .map(({ target }) => `${file} imports ${target}`),
  );
  expect(wrong).toEqual([]);
});

test("the exact engine loads no schema library and no graph's runtime", () => {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const { target, type, late } of imports.get(file) ?? [])
      if (!type && !late && imports.has(target)) visit(target);
  };
  for (const door of ["src/exact/engine.ts", "src/codec/compress.ts"]) visit(door);
  const foreign = [...reached].flatMap((file) =>
    imports.get(file)!.flatMap(({ target, type, late }) => (type || late || target.startsWith("src/") ? [] : [target])),
  );
  expect(foreign.filter((target) => !target.startsWith("pure-rand/"))).toEqual([]);
});

test("no file is named for having no subject", () => {
  const vague = files.filter((file) =>
    /^(utils?|helpers?|common|types|misc)$/.test(basename(file).replace(/\..*$/, "")),
  );
  expect(vague).toEqual([]);
});

test("no source is longer than 450 lines", () => {
  const long = files
    .filter((file) => /\.(ts|tsx|mjs|py)$/.test(file))
    .map((file) => ({ file, lines: read(file).split("\n").length }))
    .filter(({ lines }) => lines > 450);
  expect(long).toEqual([]);
});

test("no source names a machine's path or a registry's host", () => {
  // Spelled in parts, so that this file does not find itself.
  const places = [
    `${"/"}work/`,
    `${"/"}tmp/`,
    `${"/"}home/`,
    `${"/"}root/`,
    `registry${"."}npm`,
    `npm${"."}pkg`,
    `pypi${"."}org`,
  ];
  const wrong: string[] = [];
  for (const file of files) {
    if (!/\.(ts|tsx|mjs|js|py|json|md|yml|html|css)$|^\.ci\/|^\.npmrc$/.test(file) || file === "package-lock.json")
      continue;
    const text = read(file);
    // A URL's path is no machine's path.
    const local = text.replace(/(https?:\/\/[^/\s"'`)]+)[^\s"'`)]*/g, "$1");
    for (const place of places) if (local.includes(place)) wrong.push(`${file} mentions ${place}`);
  }
  expect(wrong).toEqual([]);
});
