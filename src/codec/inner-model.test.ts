/** Archives that hold their model: opened with nothing else, in part and damaged; and the errors of those that do not. */

import { describe, expect, test } from "vitest";
import { PixelcnnError } from "../errors.ts";
import { configOf, randomModel, randomPixels } from "../models/random-model.test-support.ts";
import { decodeArchive, decodeOneGroup, encodeImages } from "./codec.ts";
import { compress, decompress, describeArchive } from "./compress.ts";
import { type Archive, openPxc, readGroup, readHeader, writeArchive, writeGroups } from "./container.ts";
import { hex, sha256 } from "./digest.ts";
import { enginePredictor } from "./engine-predictor.ts";
import { archiveModel, salvageModel } from "./inner-model.ts";
import { writeModelSection } from "./model-section.ts";
import { WEIGHT_PRECISIONS } from "./rounded-weights.ts";
import { salvageArchive } from "./salvage.ts";
import { roundModel } from "./stored-model.ts";

const classes = ["circles", "squares"];
const config = configOf({ condition: { kind: "class", classes } });
const model = { ...randomModel(config), step: 77 };
const count = 9;
const images = {
  height: 5,
  width: 7,
  pixels: randomPixels(config, count),
  names: Array.from({ length: count }, (_, i) => `set/${i}`),
  labels: Array.from({ length: count }, (_, i) => i % 2),
  classes,
};
const archive = await compress(model, images, { withModel: true, groupSize: 4 });
const plain = await compress(model, images, { groupSize: 4 });
const place = readHeader(archive).model!;

async function failure(work: Promise<unknown>): Promise<PixelcnnError> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(error instanceof PixelcnnError)) throw new Error("expected a PixelcnnError", { cause: error });
  return error;
}

describe("an archive with its model inside", () => {
  test.each([true, ...WEIGHT_PRECISIONS] as const)(
    "opens without any other (%s): levels, names, labels, classes",
    async (how) => {
      const bytes = await compress(model, images, { withModel: how, modelName: "runs/gone" });
      const restored = await decompress(bytes);
      expect(restored.flatMap(({ pixels }) => [...pixels])).toEqual([...images.pixels]);
      expect(restored.map(({ name }) => name)).toEqual(images.names);
      expect(restored.map(({ className }) => className)).toEqual(images.labels.map((label) => classes[label]));
      const about = describeArchive(bytes);
      expect(about.inside).toEqual({ bytes: readHeader(bytes).model!.length, precision: how === true ? "int8" : how });
      expect((await archiveModel(bytes))!).toMatchObject({ step: 77, config });
      // The rounded model, wherever it comes from, opens it too; the model as it was does not.
      expect(await decompress(roundModel(model, how), bytes)).toEqual(restored);
      expect((await failure(decompress(model, bytes))).kind).toBe("model");
    },
  );

  test("opens group by group", async () => {
    const predictor = await enginePredictor((await archiveModel(archive))!);
    const last = await decodeOneGroup(predictor, openPxc(archive), 2);
    expect(last.map(({ index, pixels }) => [index, [...pixels]])).toEqual([[8, [...images.pixels.subarray(8 * 35)]]]);
  });

  test("is an archive of version 2; others keep version 1 and their bytes", async () => {
    expect([archive[4], plain[4]]).toEqual([2, 1]);
    expect(describeArchive(plain).inside).toBe(undefined);
    expect(await archiveModel(plain)).toBe(null);
    const error = await failure(decompress(plain));
    expect(error.kind).toBe("model");
    expect(error.message).toMatch(/^expected the model with the digest [0-9a-f]{64}: this file does not hold it$/);
    expect((await failure(decompress(await compress(model, images, { modelName: "digits" })))).message).toMatch(
      /, named "digits" when it was made: this file does not hold it$/,
    );
  });

  test("has these bytes everywhere", async () => {
    expect(hex(await sha256(archive)).slice(0, 16)).toBe("60ac22a9b5ed25ea");
  });
});

describe("damage", () => {
  const damagedAt = (offset: number): Uint8Array<ArrayBuffer> => {
    const damaged = archive.slice();
    damaged[offset]! ^= 4;
    return damaged;
  };

  test("in the model is named, wherever the file is opened", async () => {
    const damaged = damagedAt(place.offset + 200);
    const words =
      /^(the model inside: )?byte \d+: expected CRC-32 [0-9a-f]+ for the bytes of the model inside but found/;
    const works = [
      () => decompress(damaged),
      () => decompress(roundModel(model, true), damaged),
      () => archiveModel(damaged),
    ];
    for (const work of works) {
      const error = await failure(work());
      expect([error.kind, error.message]).toEqual(["corrupt", expect.stringMatching(words)]);
    }
  });

  test("of every bit of header and model gives a typed error, and of the others costs a group", async () => {
    const predictor = await enginePredictor(roundModel(model, true));
    for (let bit = 0; bit < 8 * archive.length; bit += bit < 8 * place.offset ? 1 : 61) {
      const damaged = archive.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const error = await failure(decodeArchive(predictor, damaged));
      expect(["corrupt", "model"]).toContain(error.kind);
    }
  });

  test("in the model costs no image where another copy is given", async () => {
    const predictor = await enginePredictor(roundModel(model, true));
    for (const offset of [place.offset, place.offset + 2, place.offset + 50]) {
      const { images: saved, lost } = await salvageArchive(predictor, damagedAt(offset));
      expect([saved.length, lost]).toEqual([count, []]);
    }
  });

  test("in the header leaves the model to be found, and every image", async () => {
    for (const offset of [4, 9, 39, 40]) {
      const damaged = damagedAt(offset);
      const found = salvageModel(damaged)!;
      const { images: saved } = await salvageArchive(await enginePredictor(found), damaged);
      expect(saved).toHaveLength(count);
    }
    expect(salvageModel(plain)).toBe(null);
  });

  test("in a group costs that group", async () => {
    const { offset } = (openPxc(archive) as Archive).groups[1]!;
    const damaged = damagedAt(offset + 20);
    const { images: saved, lost } = await salvageArchive(await enginePredictor(roundModel(model, true)), damaged);
    expect(saved.map(({ index }) => index)).toEqual([0, 1, 2, 3, 8]);
    expect(lost).toMatchObject([{ first: 4, last: 7 }]);
  });

  test("of the end leaves whole groups, with the model", async () => {
    const { groups } = openPxc(archive) as Archive;
    const cut = archive.subarray(0, groups[2]!.offset + 3);
    const found = (await archiveModel(cut))!;
    expect((await salvageArchive(await enginePredictor(found), cut)).images).toHaveLength(8);
  });

  test("a model that did not code the archive is refused", async () => {
    const file = openPxc(plain) as Archive;
    const groups = writeGroups(
      file.header,
      file.groups.map((_, i) => readGroup(file, i)),
    );
    const members = { names: images.names, labels: images.labels, order: images.names.map((_, i) => i) };
    const forged = writeArchive(
      { ...file.header, model: writeModelSection(roundModel(model, true).bytes) },
      groups,
      members,
    );
    const error = await failure(decompress(forged));
    expect(error.kind).toBe("corrupt");
    expect(error.message).toMatch(/^expected the model [0-9a-f]{64}, which coded this archive, inside it but found/);
  });
});

test("an encoder keeps the model that it is given, and codes with it", async () => {
  const rounded = roundModel(model, "int6");
  const predictor = await enginePredictor(rounded);
  const one = { height: 5, width: 7, pixels: images.pixels.subarray(0, 35) };
  const bytes = await encodeImages(predictor, [one], { model: rounded });
  expect([...(await decompress(bytes))[0]!.pixels]).toEqual([...one.pixels]);
});
