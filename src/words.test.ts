/** Names and texts of users as messages show them. */

import { expect, test } from "vitest";
import { printable, printableLines } from "./words.ts";

test.each([
  ["plain", "cat 1.png", "cat 1.png"],
  ["a tab", "a\tb", "a\\tb"],
  ["a line break", "a\nb", "a\\nb"],
  ["a return", "a\rb", "a\\rb"],
  ["colours", "\u001b[31mred", "\\x1b[31mred"],
  ["a bell", "a\u0007", "a\\x07"],
  ["delete", "a\u007f", "a\\x7f"],
  ["a C1 control", "a\u009b2J", "a\\x9b2J"],
  ["right to left", "gnp.\u202eexe", "gnp.\\u{202e}exe"],
  ["an isolate", "a\u2066b", "a\\u{2066}b"],
  ["a byte order mark", "\ufeffa", "\\u{feff}a"],
  ["a zero-width space", "a\u200bb", "a\\u{200b}b"],
  ["a line separator", "a\u2028b", "a\\u{2028}b"],
  ["a soft hyphen", "a\u00adb", "a\\xadb"],
  ["a family of emoji", "\u{1f469}\u200d\u{1f467}", "\u{1f469}\u200d\u{1f467}"],
  ["other scripts", "\u732b \u043a\u043e\u0442 \u0642\u0637\u0629", "\u732b \u043a\u043e\u0442 \u0642\u0637\u0629"],
])("%s", (_, text, shown) => expect(printable(text)).toBe(shown));

test("a text keeps its own line breaks", () => expect(printableLines("a\nb\u001b\tc")).toBe("a\nb\\x1b\\tc"));
