/** `pixelcnn studio`: the page where models are played with and runs are watched, served on this machine. */

import { statSync } from "node:fs";
import { fail, interrupted } from "../../errors.ts";
import { openPage } from "../../server/open-page.ts";
import { builtPage, writePage } from "../../server/page-files.ts";
import { serveStudio } from "../../server/serve-studio.ts";
import { numberOption } from "../options/number-option.ts";
import { defineCommand } from "../run-command.ts";

export default defineCommand({
  name: "studio",
  summary: "A page to play with models and to watch runs, served on this machine",
  args: {
    folders: {
      type: "positional",
      required: false,
      description: "Folders whose runs are shown; default: the current folder. No other run is read",
    },
    port: {
      type: "string",
      valueHint: "N",
      default: "7860",
      description: "Port of this machine; 0 for any that is free",
    },
    host: {
      type: "string",
      valueHint: "H",
      default: "127.0.0.1",
      description: "Address to listen at. Anything but 127.0.0.1 lets other machines read the runs",
    },
    open: { type: "boolean", description: "Open it in the browser" },
    write: {
      type: "string",
      valueHint: "DIR",
      description: "Write the page into a new folder instead, for any web server; it shows no runs there",
    },
  },
  many: true,
  examples: ["studio", "studio runs/ --port 8080", "studio --write site/"],
  async run({ port, host, write, open }, { terminal, signal, positionals }) {
    if (write !== undefined) {
      const files = await writePage(builtPage(), write);
      return { json: { folder: write, files }, text: `the page is in ${write}: ${files} files for any web server` };
    }
    const folders = positionals.length === 0 ? ["."] : positionals;
    for (const folder of folders)
      if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
        fail("usage", `expected a folder whose runs to show but received ${JSON.stringify(folder)}`);
    const studio = await serveStudio({ folders, host, port: numberOption("port", port, { max: 65_535 }) });
    terminal.note(`the studio is at ${studio.url} (Ctrl-C ends it)`);
    if (open) await openPage(studio.url);
    try {
      await new Promise<never>((_, reject) => {
        const stop = (): void => reject(interrupted(signal));
        if (signal.aborted) stop();
        signal.addEventListener("abort", stop, { once: true });
      });
    } finally {
      await studio.close();
    }
    return { json: { url: studio.url } };
  },
});
