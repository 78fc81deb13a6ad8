/** Every row of the table of families is proved and pinned: a family without cases would pass every other test. */

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { models as conditioned } from "../exact/condition-hashes.test-support.ts";
import { models } from "../exact/hashes.test-support.ts";
import { CONFIGS } from "../network/figures.test-support.ts";
import { PRESETS, type Preset } from "../runs/presets.ts";
import { resolveModel } from "./families.ts";
import { kindOf } from "./fields.ts";
import { networkFields } from "./networks.ts";

const laws = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith("-laws.test.ts"))
  .map((file) => readFileSync(new URL(file, import.meta.url), "utf8"))
  .join();

const familiesOf = (all: object): string[] => Object.values(all).map(({ config }) => config.family);

describe.each(networkFields.map((fields) => kindOf(fields, "family")))("the family %s", (family) => {
  test("has cases under checkFamily", () => expect(laws).toContain(`family: "${family}"`));

  test("has pinned figures", () => {
    const found = Object.values(CONFIGS).map(
      (config) => resolveModel(config as Parameters<typeof resolveModel>[0]).family,
    );
    expect(found).toContain(family);
  });

  test("has pinned bits, without a condition and with one", () => {
    expect(familiesOf(models)).toContain(family);
    expect(familiesOf(conditioned)).toContain(family);
  });

  test("has a preset", () => {
    const found = Object.values<Preset>(PRESETS).map(({ model }) => model.family ?? "gated-pixelcnn");
    expect(found).toContain(family);
  });
});
