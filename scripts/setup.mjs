/**
 * Makes a fresh clone ready, with nothing but Node 20 and npm: installs the packages of package-lock.json when they are
 * not there or not those, and with --browser finds Chromium and Redis or, as root on Debian, installs them. Plain
 * JavaScript without imports from packages: it runs before they exist.
 */

import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const say = (text) => process.stderr.write(`setup: ${text}\n`);
const run = (command, args, options = {}) =>
  spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], ...options }).status === 0;

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  say(`expected Node 20.19 or later but this is ${process.version}`);
  process.exit(2);
}

const installed = join(root, "node_modules", ".package-lock.json");
const wanted = ["package-lock.json", "package.json"].map((name) => statSync(join(root, name)).mtimeMs);
const fresh =
  existsSync(installed) &&
  existsSync(join(root, "node_modules", ".bin", "node")) &&
  wanted.every((time) => time <= statSync(installed).mtimeMs);
if (!fresh) {
  say("installing packages (npm ci)");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  if (!run(npm, ["ci", "--no-fund", "--no-audit"])) {
    say("npm ci failed; its messages above say why. It needs the npm registry.");
    process.exit(1);
  }
}

/** Programs of the system that tests use and that no package of npm brings. */
const PROGRAMS = [
  {
    title: "Chromium",
    names: ["chromium", "chromium-browser", "google-chrome"],
    // libvulkan1 lets the WebGPU test use Chromium's software driver from Node.
    packages: ["chromium", "libvulkan1"],
    without: "the browser and WebGPU tests",
  },
  { title: "Redis", names: ["redis-server"], packages: ["redis-server"], without: "the tests of --queue" },
];

if (process.argv.includes("--browser")) {
  const found = ({ names }) => names.some((name) => spawnSync("sh", ["-c", `command -v ${name}`]).status === 0);
  const missing = PROGRAMS.filter((program) => !found(program));
  const mayInstall = process.getuid?.() === 0 && spawnSync("sh", ["-c", "command -v apt-get"]).status === 0;
  if (missing.length > 0 && mayInstall) run("apt-get", ["update", "-qq"]);
  for (const program of missing) {
    const { title, packages, without } = program;
    if (mayInstall) {
      say(`installing ${title} for ${without} (apt-get)`);
      run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], {
        env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      });
    }
    if (!found(program))
      say(`no ${title} here: ${without} will be skipped. To run them: sudo apt-get install ${packages.join(" ")}`);
  }
}
