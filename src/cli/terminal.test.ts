import { describe, expect, test } from "vitest";
import { duration, rounded, shellWord } from "../words.ts";
import { openTerminal } from "./terminal.ts";

function screen(isTTY: boolean) {
  const written: string[] = [];
  let clock = 0;
  const terminal = openTerminal({ isTTY, columns: 40, write: (text: string) => written.push(text) }, () => clock);
  return { terminal, written, pass: (milliseconds: number) => (clock += milliseconds) };
}

describe("progress", () => {
  test("where stderr is no terminal, is plain lines, one every five seconds at most, with no control codes", () => {
    const { terminal, written, pass } = screen(false);
    for (let i = 0; i < 20; i++, pass(1000)) terminal.progress(`step ${i}`);
    terminal.endProgress();
    terminal.progress("step 20");
    terminal.endProgress({ keep: true });
    expect(written).toEqual(["step 0\n", "step 5\n", "step 10\n", "step 15\n", "step 20\n"]);
  });

  test("on a terminal, is one line, rewritten in place, cut to the width, and back after a message", () => {
    const { terminal, written, pass } = screen(true);
    terminal.progress("step 1");
    terminal.progress("too soon");
    pass(200);
    terminal.progress("x".repeat(60));
    terminal.warn("careful");
    terminal.endProgress();
    const clear = "\r\x1b[K";
    const cut = `${clear}${"x".repeat(39)}`;
    expect(written).toEqual([`${clear}step 1`, cut, clear, "warning: careful\n", cut, clear]);
  });

  test("of a count has a rate and the time left, after a second", () => {
    const { terminal, written, pass } = screen(false);
    const count = terminal.counter("testing", "images");
    count({ done: 1, total: 1000 });
    pass(2000);
    count({ done: 200, total: 1000 });
    expect(written).toEqual(["testing  200/1000 images  100 images/s  0:08 left\n"]);
  });
});

test("numbers for people", () => {
  expect([0, 59.6, 61, 3600, 3723, Number.NaN].map(duration)).toEqual([
    "0:00",
    "1:00",
    "1:01",
    "1:00:00",
    "1:02:03",
    "?",
  ]);
  expect([1234.5, 99.94, 42, 2.34567, 0.5].map(rounded)).toEqual(["1235", "99.9", "42", "2.35", "0.5"]);
  expect(["runs/a-1", "my run", "it's"].map(shellWord)).toEqual(["runs/a-1", "'my run'", "'it'\\''s'"]);
});
