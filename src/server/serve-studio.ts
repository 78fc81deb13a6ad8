/** Starts the studio's server on this machine, and says where. */

import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { fail } from "../errors.ts";
import { builtPage, pageFiles } from "./page-files.ts";
import { studioApp } from "./studio-app.ts";

export interface ServeOptions {
  /** Folders whose runs are shown. */
  readonly folders: readonly string[];
  /** Default 127.0.0.1: this machine alone. */
  readonly host?: string | undefined;
  /** Default 0: any that is free. */
  readonly port?: number | undefined;
  /** Default: the page that was built with the package. */
  readonly page?: string | undefined;
}

export interface ServedStudio {
  readonly url: string;
  close(): Promise<void>;
}

export async function serveStudio({
  folders,
  host = "127.0.0.1",
  port = 0,
  page,
}: ServeOptions): Promise<ServedStudio> {
  const app = studioApp({ files: await pageFiles(page ?? builtPage()), folders, host });
  const server = serve({ fetch: app.fetch, hostname: host, port });
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", (error: NodeJS.ErrnoException) => {
      const taken =
        error.code === "EADDRINUSE" ? `port ${port} of ${host} is taken: choose another with --port` : error.message;
      reject(Object.assign(new Error(taken), { cause: error }));
    });
  }).catch((error: Error) => fail("io", `cannot start the studio: ${error.message}`, error.cause));
  const at = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${at.port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  };
}
