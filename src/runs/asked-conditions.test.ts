/** What `--latent` and `--class` read, whoever wrote it; what is wrong is refused in words. */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { scratchFolder } from "../cli/command-line.test-support.ts";
import { writeNpy } from "../data/npy.ts";
import { randomParameters } from "../models/families.test-support.ts";
import { modelParameters } from "../models/families.ts";
import { writeSafeTensors } from "../models/safetensors.ts";
import { resolveRun } from "../train/config.ts";
import { type Asked, askedConditions, type ConditionWords } from "./asked-conditions.ts";
import { type OpenedPixelcnn, openPixelcnn } from "./open-model.ts";

const scratch = scratchFolder("condition");
const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function modelAt(name: string, condition: object): Promise<OpenedPixelcnn> {
  const network = { features: 4, depth: 1, skip: 0, head: { features: 4 } };
  const config = resolveRun({
    data: { source: "mnist" },
    model: { height: 4, width: 4, channels: 1, levels: 2, ...network, condition },
  });
  mkdirSync(at(name));
  writeFileSync(at(name, "config.json"), JSON.stringify(config));
  writeFileSync(
    at(name, "model.safetensors"),
    writeSafeTensors(randomParameters(modelParameters(config.model)), { step: "0" }),
  );
  return openPixelcnn(at(name));
}
let vector: OpenedPixelcnn;
let map: OpenedPixelcnn;
let classes: OpenedPixelcnn;
beforeAll(async () => {
  vector = await modelAt("vector", { kind: "vector", size: 3 });
  map = await modelAt("map", { kind: "map", height: 1, width: 2, channels: 1, features: 4 });
  classes = await modelAt("classes", { kind: "class", classes: ["cat", "dog", "C++", "a*b"] });
});

const ask = (words: ConditionWords, model: OpenedPixelcnn): Promise<Asked[] | null> =>
  askedConditions(words, model, (text) => expect.fail(`warned: ${text}`));
const latents = async (text: string, model = vector): Promise<number[][]> =>
  (await ask({ latent: text }, model))!.map(({ value }) => [...(value as Float32Array)]);
function file(name: string, content: string | Uint8Array): string {
  writeFileSync(at(name), content);
  return at(name);
}

describe("--latent", () => {
  const code = [0.5, -1, 2];
  test.each<[string, string | Uint8Array]>([
    ["array.json", "[0.5, -1, 2]"],
    ["arrays.json", "[[0.5, -1, 2]]"],
    ["codes.json", '{"model":"m","codes":[{"name":"a","code":[0.5,-1,2]}]}'],
    ["plain.csv", "0.5,-1,2"],
    ["UPPER.CSV", "0.5,-1,2\n"],
    ["named.csv", "seven,0.5,-1,2\r\n"],
    ["headed.csv", '"","a","b","c"\n"seven",0.5,-1,2\n\n'],
    ["quoted.csv", 'name,0,1,2\n"sev""en,\nno. 1",0.5,-1,2\n'],
    ["numbered.csv", "name,0,1,2\n7,0.5,-1,2\n"],
    ["vector.npy", writeNpy([3], Float64Array.from(code))],
    ["row.npy", writeNpy([1, 3], Float32Array.from(code))],
  ])("reads %s", async (name, content) => {
    expect(await latents(file(name, content))).toEqual([code]);
  });

  test("reads the numbers themselves, and several rows", async () => {
    expect(await latents("0.5,-1, 2e0")).toEqual([code]);
    expect(await latents(file("rows.csv", "name,0,1,2\na,1,2,3\nb,4,5,6\n"))).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(await latents(file("rows.npy", writeNpy([2, 3], Int32Array.from([1, 2, 3, 4, 5, 6]))))).toHaveLength(2);
  });

  test("reads one map and several", async () => {
    expect(await latents(file("map.npy", writeNpy([1, 2, 1], Float32Array.of(1, 2))), map)).toEqual([[1, 2]]);
    expect(await latents(file("maps.npy", writeNpy([2, 1, 2, 1], Float32Array.of(1, 2, 3, 4))), map)).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  test.each<[string, string | Uint8Array, string]>([
    ["null.json", "null", "expected an array of numbers, or of such arrays, in"],
    ["nulls.json", "[[0.5, null, 2]]", "nulls.json but received null"],
    ["empty.json", '{"codes":[]}', "empty.json but received none"],
    ["none.npy", writeNpy([0, 3], new Float32Array(0)), "expected at least one row of numbers in"],
    ["short.csv", "name,0,1\nseven,1,2\n", "expected a condition of 3 numbers an image but received 2"],
    ["words.csv", "name,0,1,2\nseven,1,x,2\n", 'words.csv but received "x"'],
    [
      "not.npy",
      writeNpy([3], Float32Array.of(1, Number.NaN, 2)),
      "expected finite numbers in a condition but number 1 is NaN",
    ],
  ])("refuses %s", async (name, content, message) => {
    await expect(latents(file(name, content))).rejects.toThrow(message);
  });

  test("refuses a file that is not there, and words", async () => {
    await expect(latents("no.npy")).rejects.toThrow("expected numbers at no.npy but there is no such file");
    await expect(latents("1,,2")).rejects.toThrow('expected numbers for --latent but received ""');
  });
});

describe("--class", () => {
  const named = async (text: string): Promise<unknown[]> =>
    (await ask({ class: text }, classes))!.map(({ value }) => (typeof value === "number" ? value : [...value!]));

  test("a class whose name holds a sign of a mixture is a class, alone and among others", async () => {
    expect(await named("C++")).toEqual([2]);
    expect(await named("C++, a*b,cat")).toEqual([2, 3, 0]);
  });

  test("mixtures", async () => {
    expect(await named("cat+dog,cat*0.25+dog*0.75,dog")).toEqual([[0.5, 0.5, 0, 0], [0.25, 0.75, 0, 0], 1]);
  });

  test.each([
    ["cat*0.5*2", 'expected a number after * in a mixture such as 3*0.7+8*0.3 but received "0.5*2"'],
    ["cat*x", 'but received "x"'],
    ["cta", "did you mean cat?"],
  ])("refuses %s", async (text, message) => {
    await expect(named(text)).rejects.toThrow(message);
  });
});
