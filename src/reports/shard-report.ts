/** What is said of a part that is done. */

import type { ShardDone, ShardWish } from "../runs/make-part.ts";
import { counted } from "../words.ts";
import type { Report } from "./report.ts";

/** `images`: how many the shard had to do. */
export function shardReport(
  { file, job, found }: ShardDone,
  { shard }: ShardWish,
  { images, seconds }: { readonly images: number; readonly seconds: number },
): Report {
  const what = `shard ${shard.index}/${shard.of} of \`pixelcnn ${job.command}\`, ${counted(images, "image")}`;
  return {
    json: { shard: shard.index, of: shard.of, part: file, images, found, seconds },
    text: `${what}: ${file}${found ? " was there already" : ` in ${seconds.toFixed(1)} s`}`,
  };
}
