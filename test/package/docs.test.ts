/**
 * The steps of docs/web.md, taken from the page itself and done in a folder with the installed package: in Chromium,
 * four digits appear.
 */

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import webpack from "webpack";
import { foreign, launch, noBrowser, open, serve } from "./browser.ts";
import { install, root, strangersEnvironment } from "./installed.ts";

const installed = await install();
const reason = typeof installed === "string" ? ` (skipped: ${installed})` : noBrowser;
const { native } = installed as Exclude<typeof installed, string>;

const text = readFileSync(join(root, "docs", "web.md"), "utf8");

/** The blocks of one section, by their language. */
function blocks(section: string, language: string): string[] {
  const part = text.split(/^## /m).find((each) => each.startsWith(section)) ?? "";
  return [...part.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter((each) => each[1] === language)
    .map((each) => each[2]!);
}

/** A folder as the page has it after its first section. */
function freshFolder(name: string): string {
  const folder = join(native, name);
  mkdirSync(folder);
  symlinkSync(join(native, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
  writeFileSync(
    join(folder, "index.html"),
    blocks("The page", "html")[0]!.replace("<title>", '<link rel="icon" href="data:,"><title>'),
  );
  writeFileSync(join(folder, "main.js"), blocks("The page", "js")[0]!);
  return folder;
}

/** Runs a section's commands, but for those that install: the bundlers are this repository's. */
function run(folder: string, section: string): void {
  const commands = blocks(section, "sh")
    .join("")
    .replace(/^npm .*$/gm, "")
    .replace(/\bnpx /g, "")
    .replace(/^vite +# develop$/m, "");
  const environment = strangersEnvironment();
  const { status, stderr } = spawnSync("sh", ["-e", "-c", commands], {
    cwd: folder,
    encoding: "utf8",
    env: { ...environment, PATH: `${join(root, "node_modules", ".bin")}${delimiter}${environment.PATH}` },
  });
  expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
}

describe.skipIf(reason)(`docs/web.md${reason}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
  });

  /** Serves a folder and waits for its canvases; what is drawn, so that bundlers can be compared. */
  async function shows(folder: string): Promise<string[]> {
    const served = await serve([folder]);
    const opened = await open(browser, served.url, "document.querySelectorAll('canvas').length === 4");
    const drawn = await opened.page.evaluate<string[]>(
      "Array.from(document.querySelectorAll('canvas'), (c) => c.toDataURL())",
    );
    expect(opened.complaints).toEqual([]);
    expect(foreign(opened, served.url)).toEqual([]);
    expect(opened.workers.length).toBe(2);
    await opened.page.close();
    served.close();
    expect(new Set(drawn).size).toBe(4);
    return drawn;
  }

  const seen: string[][] = [];

  test("Vite: its commands build a page that draws four digits on two threads", async () => {
    const folder = freshFolder("docs-vite");
    run(folder, "Vite");
    seen.push(await shows(join(folder, "dist")));
  }, 60_000);

  test("esbuild: its commands build the same page", async () => {
    const folder = freshFolder("docs-esbuild");
    run(folder, "esbuild");
    seen.push(await shows(join(folder, "dist")));
  }, 60_000);

  test("webpack: its config builds the same page", async () => {
    const folder = freshFolder("docs-webpack");
    const file = join(folder, "webpack.config.js");
    writeFileSync(file, blocks("webpack", "js")[0]!);
    const { default: config } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as {
      default: webpack.Configuration;
    };
    const compiler = webpack({ ...config, context: folder, output: { ...config.output, path: join(folder, "dist") } });
    const stats = await new Promise<webpack.Stats | undefined>((resolve, reject) =>
      compiler.run((error, result) => (error ? reject(error) : resolve(result))),
    );
    expect(stats?.toJson({ all: false, errors: true, warnings: true })).toMatchObject({ errors: [], warnings: [] });
    cpSync(join(folder, "index.html"), join(folder, "dist", "index.html"));
    seen.push(await shows(join(folder, "dist")));
  }, 60_000);

  test("all of them draw the same digits", () => {
    expect(seen).toHaveLength(3);
    for (const digits of seen) expect(digits).toEqual(seen[0]);
  });

  test("the training of the page trains, in Node as in a page", () => {
    const program = `${blocks("Training in a page", "js")[0]}\nconsole.log(nats < 64 * Math.log(4), Object.keys(files).join());`;
    writeFileSync(join(native, "docs-training.mjs"), program);
    const { stdout, stderr } = spawnSync(process.execPath, ["docs-training.mjs"], { cwd: native, encoding: "utf8" });
    expect(stderr).toBe("");
    expect(stdout).toBe("true config.json,model.safetensors\n");
  }, 60_000);
});
