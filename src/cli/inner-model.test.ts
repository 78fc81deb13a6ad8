/** `compress --with-model`: what comes out opens anywhere, with nothing else; its words, and those of its errors. */

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readHeader } from "../codec/container.ts";
import { at, json, noise, pixelsOf, png, scratch } from "./codec-models.test-support.ts";
import { pixelcnn } from "./command-line.test-support.ts";

/** An empty folder with a copy of an archive and nothing else: no model is there, nor where the archive says. */
function elsewhere(name: string, archive: string): string {
  const folder = at("elsewhere", name);
  mkdirSync(folder, { recursive: true });
  copyFileSync(at(archive), `${folder}/${archive}`);
  return folder;
}

describe("an archive with its model inside", () => {
  test("comes back in an empty folder: pixels, values, names", async () => {
    for (const [i, name] of ["a.png", "b.png", "deep/c.png"].entries()) png(`three/${name}`, 8, 6, 3, noise(i));
    const done = await json("compress", "colour", "three", "--with-model", "-o", "three.pxc");
    const bytes = readFileSync(at("three.pxc"));
    expect(done).toMatchObject({ code: 0, images: 3, bytes: bytes.length, lossy: false });
    expect(done.modelBytes).toBe(readHeader(bytes).model!.length);
    const cwd = elsewhere("three", "three.pxc");
    const back = await pixelcnn(["decompress", "three.pxc", "-o", "back", "--json"], { cwd });
    expect(JSON.parse(back.stdout)).toMatchObject({ images: 3, model: "the model inside" });
    for (const name of ["a.png", "b.png", "deep/c.png"])
      expect(await pixelsOf(`${cwd}/back/${name}`)).toEqual(await pixelsOf(at("three", name)));
    const { stdout } = await pixelcnn(["info", "three.pxc"], { cwd });
    expect(stdout).toMatch(/^model {5}the model inside \(step 0\), digest [0-9a-f]{64}$/m);
    expect(stdout).toMatch(/^inside {4}the model, \d+ bytes, weights in int8$/m);
    const listed = await pixelcnn(["decompress", "three.pxc", "--list"], { cwd });
    expect(listed.stdout).toContain("three.pxc: 3 images in 1 group");
    expect(listed.stdout).toMatch(/^model [0-9a-f]{64} \("colour"\); inside: \d+ bytes, weights in int8$/m);
  });

  test("keeps classes, labels and conditions, whatever the precision", async () => {
    for (const precision of ["bfloat16", "int8", "int6"]) {
      const words = ["--as-trained", "--with-model", "--weights", precision, "-o", `${precision}.pxc`];
      expect(await json("compress", "thresholded", "mnist:test:0-9", ...words)).toMatchObject({ code: 0, images: 10 });
      const cwd = elsewhere(precision, `${precision}.pxc`);
      const back = await pixelcnn(["decompress", `${precision}.pxc`, "-o", "back", "--threads", "2"], { cwd });
      expect(back.code).toBe(0);
      expect(readFileSync(`${cwd}/back/labels.csv`, "utf8")).toMatch(/^file,label,class\nmnist\/test\/0\.png,7,7\n/);
      const { stdout } = await pixelcnn(["info", `${precision}.pxc`], { cwd });
      expect(stdout).toContain(`weights in ${precision}`);
    }
  });

  test("of too few images says so beforehand, with the numbers, and is written", async () => {
    const { stderr, code } = await json("compress", "colour", "three", "--with-model", "-o", "few.pxc");
    expect(code).toBe(0);
    const sizes = /^3 images: about \d+ bytes and \d+ of the model inside, against \d+ in their files and 432 raw; /m;
    expect(stderr).toMatch(sizes);
    expect(stderr).toMatch(/; the model's bytes pay from about \d+ such images on$/m);
    const digits = await json(
      "compress",
      "thresholded",
      "mnist:test:0-9",
      "--as-trained",
      "--with-model",
      "-o",
      "ten.pxc",
    );
    expect(digits.stderr).toMatch(/10 images: about \d+ bytes and \d+ of the model inside, against \d+ as PNG files/);
  });

  test("that is damaged in its model says so, and how another copy helps", async () => {
    await json("compress", "colour", "three", "-o", "plain.pxc");
    const bytes = readFileSync(at("three.pxc"));
    bytes[readHeader(bytes).model!.offset + 100]! ^= 1;
    writeFileSync(at("hurt.pxc"), bytes);
    const words = /hurt\.pxc: byte \d+: expected CRC-32 [0-9a-f]+ for the bytes of the model inside but found/;
    for (const command of [
      ["decompress", "hurt.pxc", "-o", "hurt"],
      ["info", "hurt.pxc"],
    ]) {
      const { code, stderr } = await pixelcnn(command, { cwd: scratch });
      expect([code, stderr]).toEqual([1, expect.stringMatching(words)]);
    }
    const saved = await pixelcnn(["decompress", "hurt.pxc", "-o", "hurt", "--salvage"], { cwd: scratch });
    expect(saved.stderr).toMatch(/without its model no image can be read; --salvage --model OTHER\.pxc takes the copy/);
    expect(saved.code).toBe(1);
    const copy = ["decompress", "hurt.pxc", "-o", "hurt", "--salvage", "--model"];
    const whole = await pixelcnn([...copy, "few.pxc"], { cwd: scratch });
    expect([whole.code, whole.stdout]).toEqual([0, expect.stringContaining("3 images saved")]);
    expect(await pixelsOf(at("hurt/b.png"))).toEqual(await pixelsOf(at("three/b.png")));
    const none = await pixelcnn([...copy, "plain.pxc"], { cwd: scratch });
    expect(none.stderr).toContain("expected a model, or an archive with its model inside, but plain.pxc holds none");
  });

  test("that is damaged in its header is salvaged with the model inside", async () => {
    const bytes = readFileSync(at("three.pxc"));
    bytes[20]! ^= 1;
    const cwd = elsewhere("header", "three.pxc");
    writeFileSync(`${cwd}/three.pxc`, bytes);
    const { stdout, code } = await pixelcnn(["decompress", "three.pxc", "-o", "back", "--salvage"], { cwd });
    expect([code, stdout]).toEqual([1, expect.stringContaining("3 images saved")]);
    expect(await pixelsOf(`${cwd}/back/a.png`)).toEqual(await pixelsOf(at("three/a.png")));
  });
});

test.each([
  [["--with-model", "--single"], "expected no --single with --with-model: each file of one image would hold"],
  [["--weights", "int8"], "expected --weights with --with-model alone: other archives hold no weights"],
  [["--with-model", "--weights", "int4"], 'expected bfloat16, int8, int6 for --weights but received "int4"'],
])("%j is refused", async (words, expected) => {
  const { code, stderr } = await pixelcnn(["compress", "colour", "three", ...words, "-o", "no.pxc"], { cwd: scratch });
  expect([code, stderr]).toEqual([2, expect.stringContaining(expected)]);
});
