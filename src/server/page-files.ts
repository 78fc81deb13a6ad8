/**
 * The files of the built page. Large ones are not there twice: `elsewhere.json` says where in this package, or in the
 * runtime's, each lies.
 */

import { existsSync, readFileSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail } from "../errors.ts";

/** The page that `npm run build` makes: in the package's dist, also when the sources run. */
export function builtPage(): string {
  const beside = fileURLToPath(new URL("../studio", import.meta.url));
  const inDist = fileURLToPath(new URL("../../dist/studio", import.meta.url));
  return (
    [beside, inDist].find((folder) => existsSync(join(folder, "elsewhere.json"))) ??
    fail("io", `expected the studio's page at ${inDist} but there is none; make it with: npm run build`)
  );
}

/** Paths of the page's files by their names in its address: "index.html", "assets/...". */
export async function pageFiles(page: string): Promise<ReadonlyMap<string, string>> {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const runtime = dirname(createRequire(import.meta.url).resolve("onnxruntime-web/wasm"));
  const elsewhere = JSON.parse(readFileSync(join(page, "elsewhere.json"), "utf8")) as Record<string, string>;
  const files = new Map([["index.html", join(page, "index.html")]]);
  for (const name of await readdir(join(page, "assets"))) files.set(`assets/${name}`, join(page, "assets", name));
  for (const [name, original] of Object.entries(elsewhere)) {
    const inRuntime = original.startsWith("onnxruntime-web/");
    const path = inRuntime ? join(runtime, original.slice("onnxruntime-web/".length)) : join(root, original);
    files.set(`assets/${name}`, path);
  }
  return files;
}

/** Writes the whole page into a new or empty folder, for any web server. Returns how many files. */
export async function writePage(page: string, folder: string): Promise<number> {
  const there = await readdir(folder).catch(() => []);
  if (there.length > 0) fail("usage", `expected a new or empty folder for the page but ${folder} holds ${there[0]}`);
  const files = await pageFiles(page);
  await mkdir(join(folder, "assets"), { recursive: true });
  for (const [name, path] of files) await copyFile(path, join(folder, name));
  return files.size;
}

export const readPageFile = (path: string): Promise<Uint8Array<ArrayBuffer>> =>
  readFile(path).then((bytes) => new Uint8Array(bytes));
