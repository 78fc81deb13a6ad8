import { encode } from "fast-png";
import { expect, test } from "vitest";
import { checkDataset } from "../../test/data/check-dataset.ts";
import { temporaryFolder } from "../../test/data/temporary-folder.ts";
import { openData, openSplits } from "./open.ts";
import { type DataOptions, parseDataOptions } from "./options.ts";

const { path, write } = temporaryFolder();
for (let i = 0; i < 20; i++) {
  const data = Uint8Array.from({ length: 16 }, (_, p) => (i * 16 + p * 5) % 256);
  write(`images/${String(i).padStart(2, "0")}.png`, encode({ height: 4, width: 4, channels: 1, depth: 8, data }));
}
const images = `${path}/images`;

test("levels, binarisation and limit make every data set they should", async () => {
  for (const options of [
    {},
    { levels: 16 },
    { levels: 2 },
    { binarise: "threshold" },
    { binarise: "stochastic", levels: 2 },
    { split: "test", binarise: "stochastic" },
    { split: "all", limit: 5 },
  ] satisfies DataOptions[]) {
    const dataset = await openData(images, options);
    await checkDataset(dataset);
    expect(dataset.levels).toBe("levels" in options ? options.levels : "binarise" in options ? 2 : 256);
  }
  expect((await openData(images, { split: "all", limit: 5 })).length).toBe(5);
  expect((await openData(images, { split: "test", limit: 500 })).length).toBe(2);
});

test("two levels without a binarisation are the threshold at 127", async () => {
  const all = Array.from({ length: 18 }, (_, i) => i);
  const quantised = await openData(images, { levels: 2 });
  const thresholded = await openData(images, { binarise: "threshold" });
  expect(await quantised.batch(all)).toEqual(await thresholded.batch(all));
});

test("train draws its binarisation anew each epoch, test never, and a limit changes no draw", async () => {
  const { train, test: tests } = await openSplits(images, { binarise: "stochastic", binariseSeed: 4 });
  expect(await train.batch([0, 1], { epoch: 1 })).not.toEqual(await train.batch([0, 1], { epoch: 2 }));
  expect(await tests.batch([0, 1], { epoch: 1 })).toEqual(await tests.batch([0, 1], { epoch: 2 }));
  const limited = await openData(images, { binarise: "stochastic", binariseSeed: 4, limit: 2 });
  expect(await limited.batch([1], { epoch: 3 })).toEqual(await train.batch([1], { epoch: 3 }));
});

test("a fraction of 0 leaves everything to train, and then there is no test split", async () => {
  expect((await openData(images, { testFraction: 0 })).length).toBe(20);
  await expect(openData(images, { testFraction: 0, split: "test" })).rejects.toThrow(
    "expected a testFraction above 0 for the test split",
  );
});

test("an unknown name lists the named sets and says that there is no such path", async () => {
  await expect(openData("minst")).rejects.toMatchObject({
    kind: "usage",
    message:
      'expected a named set (mnist, fashion-mnist, cifar10, emoji) or a path for the data but received "minst", and ' +
      "there is no such path",
  });
});

test("a file of another kind and a single image are refused", async () => {
  await expect(openData(write("notes.txt", "hello"))).rejects.toThrow(
    `or a folder of images at ${path}/notes.txt but received text`,
  );
  await expect(openData(`${images}/00.png`)).rejects.toThrow(
    "but received a single image; give the folder that holds it",
  );
});

test("wrong options are refused with what was expected and received", async () => {
  const refuse = (options: unknown): unknown => parseDataOptions(options);
  expect(() => refuse({ levls: 3 })).toThrow(/^expected data options among split, levels, .* but received levls$/);
  expect(() => refuse({ levels: 300 })).toThrow("expected at most 256 for levels but received 300");
  expect(() => refuse({ fit: "stretch" })).toThrow(
    'expected "resize", "crop", "contain" or "none" for fit but received "stretch"',
  );
  expect(() => refuse({ binarise: "stochastic", levels: 4 })).toThrow(
    "expected 2 levels (or none given) with binarise stochastic but received 4",
  );
  expect(() => refuse({ height: 3 })).toThrow("expected height and width together but received height alone");
  await expect(openData("mnist", { height: 14, width: 14 })).rejects.toThrow(
    "expected images of 14x14 for mnist, as asked, but its format holds 28x28",
  );
  await expect(openData("mnist", { channels: 3 })).rejects.toThrow(
    "expected 3 channels for mnist, as asked, but its format holds 1",
  );
});

test("resolved options are plain JSON and a valid input again", () => {
  const resolved = parseDataOptions({ levels: 4, height: 2, width: 3 });
  expect(parseDataOptions(JSON.parse(JSON.stringify(resolved)))).toEqual(resolved);
});

test("a split by class holds whole classes back, and wants a source that is not divided already", async () => {
  const pixel = encode({ height: 1, width: 1, channels: 1, depth: 8, data: new Uint8Array([9]) });
  for (const person of ["ann", "bob", "cyd", "dan"])
    for (const i of [1, 2, 3]) write(`people/${person}/${i}.png`, pixel);
  const { train, test: tests } = await openSplits(`${path}/people`, { splitBy: "class", testFraction: 0.25 });
  expect([train.length, tests.length]).toEqual([9, 3]);
  const persons = (d: typeof train): Set<string> =>
    new Set(Array.from({ length: d.length }, (_, i) => d.nameOf(i).split("/")[0]!));
  expect([...persons(train)].filter((person) => persons(tests).has(person))).toEqual([]);
  await checkDataset(train);
  await checkDataset(tests);
  await expect(openData("mnist", { splitBy: "class" })).rejects.toThrow(
    "expected one pile of images to divide by class for mnist, but it names its own train and test images",
  );
  expect((await openData("mnist", { splitBy: "class", split: "all" })).length).toBe(70000);
  await expect(openData(images, { splitBy: "class" })).rejects.toThrow("expected classes to divide");
});
