/** The pages point at what exists: links between them, and the files that ARCHITECTURE.md and docs/ name. */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { readShard } from "../src/cli/options/shard.ts";
import { type Command, readWords } from "../src/cli/run-command.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file !== "" && existsSync(join(root, file)));
const pages = files.filter((file) => /^([A-Z]+|docs\/[a-z-]+)\.md$/.test(file));
const textOf = (page: string): string => readFileSync(join(root, page), "utf8");

test("every link leads to a file, and to a heading where it names one", () => {
  const wrong: string[] = [];
  const slug = (heading: string): string =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-");
  for (const page of pages)
    for (const [, link] of textOf(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link!)) continue;
      const [path, heading] = link!.split("#") as [string, string?];
      const target = path === "" ? page : join(dirname(page), path);
      if (!existsSync(join(root, target))) wrong.push(`${page}: ${link}`);
      else if (heading !== undefined) {
        const headings = [...textOf(target).matchAll(/^#+ (.*)$/gm)].map(([, text]) => slug(text!));
        if (!headings.includes(heading)) wrong.push(`${page}: ${link}`);
      }
    }
  expect(wrong).toEqual([]);
});

test("every source that a page names is there, by its path or by a name that ends one", () => {
  const wrong: string[] = [];
  for (const page of pages.filter((name) => name !== "CHANGELOG.md"))
    for (const [, name] of textOf(page).matchAll(/`([\w./-]+\.(?:ts|mjs|json|py))`/g)) {
      // Patterns of names, files of a run, and files that a bundler's user writes are not ours.
      if (/^(\.|x\.|config\.json$)/.test(name!) || page === "docs/web.md") continue;
      if (!files.some((file) => file === name || file.endsWith(`/${name}`))) wrong.push(`${page}: ${name}`);
    }
  expect(wrong).toEqual([]);
});

test("every command of docs/scale.md is one, with options that it has and a shard that is one", async () => {
  const text = textOf("docs/scale.md").replaceAll("\\\n", "");
  const blocks = [...text.matchAll(/^```\w+\n([\s\S]*?)^```$/gm)].map(([, block]) => block!);
  // What the schedulers put in.
  const filled = blocks
    .join("")
    .replaceAll("$SLURM_ARRAY_TASK_ID", "2")
    .replaceAll("$((JOB_COMPLETION_INDEX + 1))", "2");
  const lines = [...filled.matchAll(/(?:^|exec |")pixelcnn (\w+) ([^#\n]*)/gm)];
  expect(lines.length).toBe(13);
  for (const [line, name, rest] of lines) {
    const { default: command } = (await import(`../src/cli/commands/${name}.ts`)) as { default: Command };
    const { args } = readWords(command, rest!.replaceAll('"', "").trim().split(/\s+/));
    if (args.shard !== undefined) expect(readShard(String(args.shard)).index, line).toBeGreaterThan(0);
    expect(line).not.toContain("$");
  }
});
