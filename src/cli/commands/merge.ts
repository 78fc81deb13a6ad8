/**
 * `pixelcnn merge`: the parts that shards left, made into what one process without --shard writes and says, byte for
 * byte but for the seconds. It needs no model and no data.
 */

import { fail } from "../../errors.ts";
import { JOIN, TAKES } from "../../reports/joined-report.ts";
import { gatherParts } from "../../runs/gather-parts.ts";
import { counted } from "../../words.ts";
import { numberOption } from "../options/number-option.ts";
import { checkOption, forceArg } from "../options/output.ts";
import { defineCommand } from "../run-command.ts";

export default defineCommand({
  name: "merge",
  summary: "One result of all parts of a job that was done with --shard",
  args: {
    parts: {
      type: "positional",
      required: true,
      description: "Parts, and folders of parts: those of all shards of one job, in any order, some perhaps twice",
    },
    out: {
      type: "string",
      alias: "o",
      valueHint: "F",
      description: "The archive of `compress`, or the picture of `sample`, to write",
    },
    csv: { type: "string", valueHint: "F.csv", description: "The table of `score` to write" },
    histogram: { type: "string", valueHint: "F.svg", description: "The chart of `score` or `eval` to write" },
    ...forceArg,
    scale: { type: "string", valueHint: "X", description: "Enlarge each pixel of the picture so many times" },
  },
  many: true,
  examples: ["merge parts/ -o photos.pxc", "merge parts/ --csv bits.csv --json", "merge parts/eval-*.part"],
  async run(args, { terminal, positionals, keepStdout }) {
    const scale = numberOption("scale", args.scale, { min: 1, max: 100 });
    const check = (inputs: readonly string[]): void => {
      const rules = { inputs, force: args.force };
      checkOption(args.out, { ...rules, option: "-o" }, { keepStdout });
      checkOption(args.csv, { ...rules, option: "--csv" }, { keepStdout });
      checkOption(args.histogram, { ...rules, option: "--histogram", others: [args.csv] }, { keepStdout });
    };
    check(positionals);
    const started = performance.now();
    const gathered = await gatherParts(positionals);
    // Of a folder, its parts are inputs too.
    check(gathered.files);
    const { command } = gathered.job;
    const given = { "-o": args.out, "--csv": args.csv, "--histogram": args.histogram, "--scale": args.scale };
    for (const [option, value] of Object.entries(given))
      if (value !== undefined && !TAKES[command].includes(option))
        fail("usage", `expected no ${option}: these are parts of \`pixelcnn ${command}\``);
    if (gathered.repeated > 0) terminal.note(`${counted(gathered.repeated, "part")} twice: counted once`);
    const { out, csv, histogram } = args;
    const seconds = (): number => (performance.now() - started) / 1000;
    return JOIN[command](gathered, { out, csv, histogram, scale, tell: terminal, seconds });
  },
});
