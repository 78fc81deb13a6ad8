import fc from "fast-check";
import { expect, test } from "vitest";
import { safeNames } from "./safe-names.ts";

test("a name cannot leave its folder, name a device, or hide what it is", () => {
  const cases: [string, string][] = [
    ["cat.png", "cat.png"],
    ["animals/cat.png", "animals/cat.png"],
    ["/etc/passwd", "etc/passwd"],
    ["../../cat.png", "cat.png"],
    ["a/../../b/./c.png", "a/b/c.png"],
    ["..\\..\\windows\\cat.png", "windows/cat.png"],
    ["C:\\cat.png", "C_/cat.png"],
    ["\\\\server\\share\\cat.png", "server/share/cat.png"],
    ["cat.png\0.exe", "cat.png_.exe"],
    ["nul", "_nul"],
    ["COM1.png", "_COM1.png"],
    ["aux /x.png", "_aux/x.png"],
    ["lpt\u00b9.txt", "_lpt\u00b9.txt"],
    ["cat.png.", "cat.png"],
    ["... ", "image-000001"],
    ["", "image-000001"],
    ["file\u202egnp.exe", "file_gnp.exe"],
    ["a:stream", "a_stream"],
    ["日本/猫.png", "日本/猫.png"],
    [`${"x".repeat(300)}.png`, `${"x".repeat(251)}.png`],
    [`${"猫".repeat(100)}.png`, `${"猫".repeat(83)}.png`],
    [`${"y".repeat(255)}`, "y".repeat(255)],
    ["1/2/3/4/5/6/7/8/9/10/x.png", "1/2/3/4/5/6/7/8/9/10/x.png"],
  ];
  for (const [name, safe] of cases) expect(safeNames([name]), JSON.stringify(name)).toEqual([safe]);
});

test("no two names are one file, whatever the disk", () => {
  expect(safeNames(["a.png", "A.PNG", "a.png", "a (2).png"])).toEqual([
    "a.png",
    "A (2).PNG",
    "a (3).png",
    "a (2) (2).png",
  ]);
  expect(safeNames(["\u00e9.png", "e\u0301.png"])[1]).toBe("e\u0301 (2).png");
  expect(safeNames(["a", "a/b", "a/c", "A/d"])).toEqual(["a", "a (2)/b", "a (2)/c", "A (2)/d"]);
  expect(safeNames(["a/b", "a"])).toEqual(["a/b", "a (2)"]);
  expect(safeNames([undefined, "image-000001", undefined])).toEqual([
    "image-000001 (2)",
    "image-000001",
    "image-000003",
  ]);
  // What needs no change has the first claim, wherever it stands.
  expect(safeNames(["a:b.png", "a_b.png"])).toEqual(["a_b (2).png", "a_b.png"]);
  // What has no name takes no place of one that has.
  const ended = (name: string): string => (name.endsWith(".png") ? name : `${name}.png`);
  expect(safeNames([undefined, "image-000001.png"], ended)).toEqual(["image-000001 (2).png", "image-000001.png"]);
  expect(safeNames(["x".repeat(255)], ended)).toEqual([`${"x".repeat(251)}.png`]);
  const png = (name: string): string => name.replace(/\.\w+$/, ".png");
  expect(safeNames(["a.jpg", "a.png", "a.webp", "b.jpg"], png)).toEqual(["a (2).png", "a.png", "a (3).png", "b.png"]);
});

test("any names become safe, distinct, relative paths, and those that are already stay", { timeout: 30_000 }, () => {
  const part = fc.oneof(
    fc.string({ unit: "binary", maxLength: 12 }),
    fc.constantFrom("..", ".", "con", "NUL.txt", "a", "A", "a ", "a.", "\0", "x".repeat(400), "C:", " ", "~"),
  );
  const name = fc
    .array(part, { minLength: 1, maxLength: 12 })
    .chain((parts) => fc.constantFrom(parts.join("/"), parts.join("\\"), `/${parts.join("//")}`));
  fc.assert(
    fc.property(fc.array(name, { maxLength: 30 }), (names) => {
      const safe = safeNames(names);
      expect(safe).toHaveLength(names.length);
      const files = new Set(safe.map((path) => path.normalize("NFC").toLowerCase()));
      expect(files.size).toBe(names.length);
      for (const path of safe) {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
        expect(path).not.toMatch(/\\|^\/|[\0-\x1f<>:"|?*]|(^|\/)(\.{1,2})?(\/|$)|[. ](\/|$)/);
        expect(path).not.toMatch(/(^|\/)(con|prn|aux|nul|com\d|lpt\d)(\.|\/|$)/i);
        for (const step of path.split("/")) expect(new TextEncoder().encode(step).length).toBeLessThan(256);
        const folders = path.toLowerCase().split("/").slice(0, -1);
        for (let i = 1; i <= folders.length; i++)
          expect(files.has(folders.slice(0, i).join("/").normalize("NFC"))).toBe(false);
      }
      expect(safeNames(safe)).toEqual(safe);
    }),
    { numRuns: 150 },
  );
});

test("ten thousand equal names become ten thousand files, in linear time", () => {
  expect(new Set(safeNames(new Array<string>(10_000).fill("a.png"))).size).toBe(10_000);
});
