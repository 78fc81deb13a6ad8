/** `pixelcnn info`: what a model is and how it came to be, what a data set holds, or what an archive does. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { archiveReport } from "../../reports/archive-report.ts";
import { dataReport, modelReport } from "../../reports/model-report.ts";
import { isArchive } from "../../runs/archive-file.ts";
import { shippedFiles } from "../../runs/shipped-models.ts";
import { defineCommand } from "../run-command.ts";

export default defineCommand({
  name: "info",
  summary: "Describe a model, a data set or an archive",
  args: {
    what: {
      type: "positional",
      required: true,
      description:
        "A run or model folder, the name of a shipped model, a named set, a path to images, or a .pxc archive",
    },
  },
  examples: ["info runs/digits", "info cifar10 --json", "info digits.pxc"],
  async run({ what }, { terminal }) {
    const isModel = existsSync(join(what, "config.json")) || (!existsSync(what) && shippedFiles(what) !== undefined);
    if (!isModel && (await isArchive(what))) return archiveReport(what);
    return isModel ? modelReport(what) : dataReport(what, terminal.warn);
  },
});
