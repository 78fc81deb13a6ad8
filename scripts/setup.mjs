/**
 * Makes a fresh clone ready, with nothing but Node 20 and npm: installs the packages of package-lock.json when they are
 * not there or not those, and with --browser finds Chromium or, as root on Debian, installs it. Plain JavaScript
 * without imports from packages: it runs before they exist.
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

if (process.argv.includes("--browser")) {
  const found = () =>
    ["chromium", "chromium-browser", "google-chrome"].some(
      (name) => spawnSync("sh", ["-c", `command -v ${name}`]).status === 0,
    );
  if (!found()) {
    const isRoot = process.getuid?.() === 0;
    const hasApt = spawnSync("sh", ["-c", "command -v apt-get"]).status === 0;
    if (isRoot && hasApt) {
      say("installing Chromium for the browser tests (apt-get)");
      run("apt-get", ["update", "-qq"]);
      // libvulkan1 lets the WebGPU test use Chromium's software driver from Node.
      run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "chromium", "libvulkan1"], {
        env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      });
    }
    if (!found())
      say(
        "no Chromium here: the browser and WebGPU tests will be skipped. To run them: sudo apt-get install chromium " +
          "libvulkan1",
      );
  }
}
