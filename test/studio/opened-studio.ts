/** The studio in Chromium, served by its own server, with all that the page complains of and asks for. */

import type { Page } from "playwright-core";
import { serveStudio } from "../../src/server/serve-studio.ts";
import { launch, noBrowser } from "../package/browser.ts";
import { install } from "../package/installed.ts";

// The page is built where the package is packed.
const installed = noBrowser ? "" : await install();
/** Why there is no page here; empty where there is one. */
export const noStudio = noBrowser || (typeof installed === "string" ? ` (skipped: ${installed})` : "");

export interface OpenedStudio {
  readonly page: Page;
  readonly url: string;
  /** Errors and warnings of the console, and errors of the page. */
  readonly complaints: readonly string[];
  readonly requests: readonly string[];
  go(panel: string): Promise<void>;
  close(): Promise<void>;
}

export async function openStudio(folders: readonly string[] = []): Promise<OpenedStudio> {
  const studio = await serveStudio({ folders });
  const browser = await launch();
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on("console", (said) => ["error", "warning"].includes(said.type()) && complaints.push(said.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(studio.url);
  await page.waitForSelector(".panel");
  return {
    page,
    url: studio.url,
    complaints,
    requests,
    go: async (panel) => {
      await page.click(`nav a:text-is("${panel}")`);
      await page.waitForSelector(`h2:text-is("${panel}")`);
    },
    close: async () => {
      await browser.close();
      await studio.close();
    },
  };
}
