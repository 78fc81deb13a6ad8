/** The list of shipped models against the folder, and what earlier weights are for. */

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { compress } from "../codec/compress.ts";
import { hex } from "../codec/digest.ts";
import { findCodingModel, openCodingModel } from "./archive-model.ts";
import { openModel } from "./open-model.ts";
import { earlierModels, shippedFiles, shippedModels } from "./shipped-models.ts";

const scratch = mkdtempSync(join(tmpdir(), "pixelcnn-shipped-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("every folder of models/ has a name, and every name a folder", () => {
  const entries = readdirSync(new URL("../../models/", import.meta.url), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  expect([...shippedModels(), ...earlierModels()].sort()).toEqual(folders.sort());
  expect(shippedFiles("mnist-2")).toBeUndefined();
  expect(shippedFiles("toString")).toBeUndefined();
});

test("earlier weights are in no list, but open by their name and code what they coded", async () => {
  for (const name of earlierModels()) {
    expect(shippedModels()).not.toContain(name);
    const [, now] = /^(.*)-\d+$/.exec(name)!;
    expect(shippedModels()).toContain(now);
    const model = await openModel(name);
    const { height, width, channels } = model.config;
    const pixels = new Uint8Array(height * width * channels);
    const archive = join(scratch, `${name}.pxc`);
    writeFileSync(archive, await compress(model, { height, width, pixels }));
    const coding = await openCodingModel(name, 1);
    const wanted = hex(coding.predictor.digest);
    // As an archive of that time names its model: by the name that now has other weights.
    const found = await findCodingModel(wanted, { hint: now, archive, threads: 1 });
    expect(found.name).toBe(name);
    await Promise.all([coding.close(), found.close()]);
  }
});
