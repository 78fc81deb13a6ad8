/** What comes of all parts of a job: its files and what is said of it, whoever gathered them. */

import { fail } from "../errors.ts";
import { joinArchive } from "../runs/compress-shard.ts";
import { joinEvaluation } from "../runs/eval-shard.ts";
import type { GatheredParts } from "../runs/gather-parts.ts";
import { writeOutput } from "../runs/output.ts";
import type { ShardCommand } from "../runs/part-file.ts";
import { joinSamples } from "../runs/sample-shard.ts";
import { SCORES_HEAD, scoreRows } from "../runs/score-images.ts";
import { joinScores } from "../runs/score-shard.ts";
import type { Teller } from "../runs/source-image.ts";
import { compressReport } from "./compress-report.ts";
import { evalHistogram, evalReport } from "./eval-report.ts";
import type { Report } from "./report.ts";
import { samplePicture, sampleReport } from "./sample-report.ts";
import { scoreHistogram, scoreReport, tellRounded } from "./score-report.ts";

export interface Wanted {
  readonly out: string | undefined;
  readonly csv: string | undefined;
  readonly histogram: string | undefined;
  readonly scale: number | undefined;
  readonly tell: Teller;
  /** Seconds so far. */
  seconds(): number;
}

/** Which options make sense of the parts of which command. */
export const TAKES: Readonly<Record<ShardCommand, readonly string[]>> = {
  compress: ["-o"],
  eval: ["--histogram"],
  sample: ["-o", "--scale"],
  score: ["--csv", "--histogram"],
};

export const JOIN: Readonly<Record<ShardCommand, (gathered: GatheredParts, wanted: Wanted) => Promise<Report>>> = {
  async compress(gathered, { out = failWithout("F.pxc, the archive"), tell, seconds }) {
    const { about, bytes, compressed } = joinArchive(gathered);
    await writeOutput(out, bytes);
    return compressReport(about, compressed, { out, seconds: seconds() }, tell);
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
  async score(gathered, { csv, histogram, tell, seconds }) {
    const scores = joinScores(gathered);
    tellRounded(scores, tell);
    if (csv !== undefined) await writeOutput(csv, SCORES_HEAD + scoreRows(scores.each));
    if (histogram !== undefined) await writeOutput(histogram, scoreHistogram(scores));
    return scoreReport(scores, { csv, histogram, seconds: seconds() });
  },
};

function failWithout(what: string): never {
  return fail("usage", `expected -o ${what} to write, but received none`);
}
