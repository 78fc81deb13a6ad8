/** A folder served on this machine, and pages of it in Chromium, with all that they complain of. */

import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";

export const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const noBrowser = existsSync(executablePath) ? "" : " (skipped: no Chromium here)";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".css": "text/css",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

export interface Served {
  readonly url: string;
  close(): void;
}

/** Serves folders, the first that has a file; `isolated` sends the headers that threads over shared memory need. */
export async function serve(folders: readonly string[], { isolated = false } = {}): Promise<Served> {
  const server: Server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, "http://here");
    const name = pathname === "/" ? "index.html" : pathname.slice(1);
    const path = folders.map((folder) => join(folder, name)).find(existsSync);
    if (path === undefined) return void response.writeHead(404).end();
    if (isolated) {
      response.setHeader("cross-origin-opener-policy", "same-origin");
      response.setHeader("cross-origin-embedder-policy", "require-corp");
    }
    response.setHeader("content-type", TYPES[extname(path)] ?? "application/octet-stream").end(readFileSync(path));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Chromium with WebGPU on its software adapter, and nothing that asks the network for anything. */
export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath,
    args: [
      ...["--no-sandbox", "--disable-quic", "--disable-background-networking", "--no-first-run", "--disable-sync"],
      ...["--disable-component-update", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"],
    ],
  });

export interface Opened {
  readonly page: Page;
  /** Errors and warnings of the console, and what was thrown. */
  readonly complaints: string[];
  /** URLs of what was asked for. */
  readonly requests: string[];
  /** URLs of the threads that started. */
  readonly workers: string[];
  /** Calls one function of the user's page (page/main.js). */
  call<T>(name: "sample" | "roundTrip" | "openArchive" | "train", options?: object): Promise<T>;
}

/** Opens a user's page and waits until it is ready. */
export async function open(browser: Browser, url: string, ready = "typeof page === 'object'"): Promise<Opened> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on("console", (line) => {
    if (["error", "warning"].includes(line.type())) complaints.push(line.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  const workers: string[] = [];
  page.on("worker", (worker) => workers.push(worker.url()));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(url);
  await page.waitForFunction(ready);
  return {
    page,
    complaints,
    requests,
    workers,
    call: (name, options = {}) => page.evaluate(`page.${name}(${JSON.stringify(options)})`),
  };
}

/** Requests that left the page's own origin. */
export const foreign = ({ requests }: Opened, url: string): string[] =>
  requests.filter((request) => !/^(data|blob):/.test(request) && !request.startsWith(url));
