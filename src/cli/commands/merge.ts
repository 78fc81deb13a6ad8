/**
 * `pixelcnn merge`: the parts that shards left, made into what one process without --shard writes and says, byte for
 * byte but for the seconds. It needs no model and no data.
 */

import { fail } from "../../errors.ts";
import { joinArchive } from "../../runs/compress-shard.ts";
import { joinEvaluation } from "../../runs/eval-shard.ts";
import { type GatheredParts, gatherParts } from "../../runs/gather-parts.ts";
import { writeOutput } from "../../runs/output.ts";
import type { ShardCommand } from "../../runs/part-file.ts";
import { joinSamples } from "../../runs/sample-shard.ts";
import { SCORES_HEAD, scoreRows } from "../../runs/score-images.ts";
import { joinScores } from "../../runs/score-shard.ts";
import { counted } from "../../words.ts";
import { numberOption } from "../options/number-option.ts";
import { checkOption, forceArg } from "../options/output.ts";
import { compressReport } from "../reports/compress-report.ts";
import { evalHistogram, evalReport } from "../reports/eval-report.ts";
import { samplePicture, sampleReport } from "../reports/sample-report.ts";
import { scoreHistogram, scoreReport, tellRounded } from "../reports/score-report.ts";
import { defineCommand, type Outcome } from "../run-command.ts";
import type { Terminal } from "../terminal.ts";

interface Wanted {
  readonly out: string | undefined;
  readonly csv: string | undefined;
  readonly histogram: string | undefined;
  readonly scale: number | undefined;
  readonly terminal: Terminal;
  /** Seconds so far. */
  seconds(): number;
}

/** Which options make sense of the parts of which command. */
const TAKES: Readonly<Record<ShardCommand, readonly string[]>> = {
  compress: ["-o"],
  eval: ["--histogram"],
  sample: ["-o", "--scale"],
  score: ["--csv", "--histogram"],
};

const JOIN: Readonly<Record<ShardCommand, (gathered: GatheredParts, wanted: Wanted) => Promise<Outcome>>> = {
  async compress(gathered, { out = failWithout("F.pxc, the archive"), terminal, seconds }) {
    const { about, bytes, compressed } = joinArchive(gathered);
    await writeOutput(out, bytes);
    return compressReport(about, compressed, { out, seconds: seconds() }, terminal);
  },
  async eval(gathered, { histogram, seconds }) {
    const { about, measured } = joinEvaluation(gathered);
    if (histogram !== undefined) {
      if (measured.measure !== "likelihood")
        return fail(
          "usage",
          "expected --histogram with the likelihood of a model that has one, not with another measure",
        );
      await writeOutput(histogram, evalHistogram(about, measured.likelihood));
    }
    return evalReport(about, measured, { histogram, seconds: seconds() });
  },
  async sample(gathered, { out = failWithout("F.png, the picture"), scale, seconds }) {
    const { about, pixels } = joinSamples(gathered);
    await writeOutput(out, samplePicture(about, pixels, scale));
    return sampleReport(about, { out, seconds: seconds() });
  },
  async score(gathered, { csv, histogram, terminal, seconds }) {
    const scores = joinScores(gathered);
    tellRounded(scores, terminal);
    if (csv !== undefined) await writeOutput(csv, SCORES_HEAD + scoreRows(scores.each));
    if (histogram !== undefined) await writeOutput(histogram, scoreHistogram(scores));
    return scoreReport(scores, { csv, histogram, seconds: seconds() });
  },
};

function failWithout(what: string): never {
  return fail("usage", `expected -o ${what} to write, but received none`);
}

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
    return JOIN[command](gathered, { out, csv, histogram, scale, terminal, seconds });
  },
});
