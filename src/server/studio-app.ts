/**
 * What the studio's server answers: the page, the runs below the folders that it was given, and the images of the named
 * sets that lie on this machine. It only reads. Whoever asks must name this server in Host, and a page must come from
 * it: a foreign page cannot reach it, nor can one whose name was made to lead to this machine.
 */

import { isIP } from "node:net";
import { extname } from "node:path";
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { embedTexts } from "../text/sentence-vectors.ts";
import { imagesOfSet, setsHere } from "./named-images.ts";
import { readPageFile } from "./page-files.ts";
import { RunShelf } from "./run-shelf.ts";

export interface StudioOptions {
  /** Paths of the page's files by their names in its address (page-files.ts). */
  readonly files: ReadonlyMap<string, string>;
  /** Folders whose runs are shown. */
  readonly folders: readonly string[];
  /** A name that this server answers to in Host, besides localhost and addresses written as numbers. */
  readonly host?: string | undefined;
  /** Milliseconds between two looks at the runs while a page listens; default 1000. */
  readonly every?: number;
}

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".mjs": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
};

const HEADERS: Readonly<Record<string, string>> = {
  // Threads over shared memory need the first two.
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
  "content-security-policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src 'self' blob: " +
    "data:; " +
    "img-src 'self' blob: data:; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

export function studioApp({ files, folders, host: named, every = 1000 }: StudioOptions): Hono {
  const shelf = new RunShelf(folders);
  const watch = watchOf(shelf, every);
  const app = new Hono();

  app.use(async (context, next) => {
    const host = context.req.header("host") ?? "";
    const origin = context.req.header("origin");
    const site = context.req.header("sec-fetch-site");
    // A name may be made to lead here by its owner; a number or localhost may not.
    const asked = host.replace(/:\d+$/, "");
    const own = asked === "localhost" || asked === named || isIP(asked.replace(/^\[(.*)\]$/, "$1")) !== 0;
    const foreign = (origin !== undefined && origin !== `http://${host}`) || site === "cross-site";
    if (!own || foreign) return context.text("expected a request from the studio's own page", 403);
    if (context.req.method !== "GET" && context.req.method !== "HEAD")
      return context.text("expected GET: the studio's server only reads", 405);
    await next();
    for (const [name, value] of Object.entries(HEADERS)) context.res.headers.set(name, value);
  });

  app.get("/api/runs", async (context) => context.json(await shelf.list()));

  app.get("/api/runs/:id/curve", async (context) => {
    const curve = await shelf.curve(context.req.param("id"));
    return curve ? context.json(curve) : context.text("there is no such run", 404);
  });

  app.get("/api/runs/:id/pictures/:index", async (context) => {
    const { id, index } = context.req.param();
    const picture = /^\d{1,6}$/.test(index) ? await shelf.picture(id, Number(index)) : null;
    return picture ? context.body(picture, 200, { "content-type": "image/png" }) : context.text("no picture", 404);
  });

  app.get("/api/runs/:id/:name", async (context) => {
    const { id, name } = context.req.param();
    const bytes = await shelf.file(id, name);
    const type = TYPES[extname(name)] ?? "application/octet-stream";
    return bytes ? context.body(bytes, 200, { "content-type": type }) : context.text("there is no such file", 404);
  });

  app.get("/api/sets", (context) => context.json(setsHere()));

  app.get("/api/sets/:name", async (context) => {
    const name = context.req.param("name");
    // Why is not told: it would name folders of this machine.
    const sent = await imagesOfSet(name).catch(() => "unread" as const);
    if (sent === "unread") return context.text(`${name} cannot be read; "pixelcnn train ${name}" says why`, 500);
    if (!sent) return context.text("there is no such set on this machine", 404);
    const headers = { "content-type": "application/octet-stream", "x-images-in-all": String(sent.total) };
    return context.body(sent.idx, 200, headers);
  });

  app.get("/api/embed", async (context) => {
    const text = context.req.query("text") ?? "";
    if (text.trim() === "" || text.length > 500) return context.text("expected a text of 1 to 500 characters", 400);
    try {
      return context.json([...(await embedTexts([text])).vectors]);
    } catch (error) {
      return context.text((error as Error).message, 501);
    }
  });

  app.get("/api/events", (context) =>
    streamSSE(context, async (stream) => {
      const changes: string[] = [];
      let wake = (): void => {};
      const leave = watch((ids) => {
        changes.push(JSON.stringify(ids));
        wake();
      });
      stream.onAbort(() => {
        leave();
        wake();
      });
      while (!stream.aborted && !stream.closed) {
        for (const data of changes.splice(0)) await stream.writeSSE({ event: "runs", data });
        await new Promise<void>((resolve) => {
          wake = resolve;
          // A comment now and then: whoever went away without a word is noticed.
          setTimeout(resolve, 15_000);
        });
        if (changes.length === 0 && !stream.aborted) await stream.writeSSE({ event: "still", data: "" });
      }
      leave();
    }),
  );

  app.get("/api/*", (context) => context.text("there is nothing here", 404));

  app.get("*", async (context) => {
    const name = new URL(context.req.url).pathname.slice(1) || "index.html";
    const path = files.get(name);
    const bytes = path === undefined ? null : await readPageFile(path).catch(() => null);
    if (!bytes) return context.text("there is no such page", 404);
    const caching = name === "index.html" ? "no-cache" : "public, max-age=31536000, immutable";
    const type = TYPES[extname(name)] ?? "application/octet-stream";
    return context.body(bytes, 200, { "content-type": type, "cache-control": caching });
  });

  app.onError((_, context) => context.text("the request was not understood", 400));
  return app;
}

type Listener = (ids: readonly string[]) => void;

/**
 * One look for all pages: every so often, as long as anybody listens, the runs whose logs changed are told; an empty
 * list where runs came or went.
 */
function watchOf(shelf: RunShelf, every: number): (listener: Listener) => () => void {
  const listeners = new Set<Listener>();
  let timer: NodeJS.Timeout | undefined;
  let before = new Map<string, number>();
  let looks = 0;
  const look = async (): Promise<void> => {
    // New runs are looked for less often than new lines.
    if (looks++ % 5 === 0) await shelf.list();
    const now = await shelf.sizes();
    const changed = [...now].filter(([id, size]) => before.get(id) !== size).map(([id]) => id);
    const others = [...now.keys()].some((id) => !before.has(id)) || [...before.keys()].some((id) => !now.has(id));
    if (before.size > 0 || looks > 1) {
      if (others) for (const listener of listeners) listener([]);
      else if (changed.length > 0) for (const listener of listeners) listener(changed);
    }
    before = now;
    if (listeners.size > 0) timer = setTimeout(() => void look(), every);
  };
  return (listener) => {
    listeners.add(listener);
    if (listeners.size === 1) {
      clearTimeout(timer);
      looks = 0;
      void look();
    }
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) clearTimeout(timer);
    };
  };
}
