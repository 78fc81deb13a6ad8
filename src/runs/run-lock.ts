/**
 * One process at a time trains in a run's folder. The lock is a file that names its owner; it is made whole and
 * exclusively, and removed when its process ends. The lock of a process that is gone is taken over.
 */

import { createHash, randomBytes } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { link, readFile, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fail } from "../errors.ts";
import { reasonOf } from "../words.ts";

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When that process began, as the system says it; null where it does not. Numbers of processes are used again. */
  readonly start: string | null;
  readonly since: string;
}

const FILE = "run.lock";

/** Field 22 of /proc/PID/stat. The name in field 2 may hold spaces and brackets. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}

function isAlive({ pid, start }: Owner): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // A process of another user may not be asked.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const now = startOf(pid);
  return start === null || now === null || now === start;
}

/** The text of a lock; null where there is none. */
const textOf = (path: string): Promise<string | null> => readFile(path, "utf8").catch(() => null);

function ownerIn(text: string | null): Owner | null {
  try {
    const owner = JSON.parse(text ?? "") as Owner;
    // 0 and below would mean groups of processes.
    return Number.isSafeInteger(owner.pid) && owner.pid > 0 && typeof owner.host === "string" ? owner : null;
  } catch {
    return null;
  }
}

/** A claim on a dead lock that is as old as this, in milliseconds, is of a process that died with it. */
const CLAIM_AGE = 10_000;

/**
 * Removes a dead lock, known by its text. Of several that found it dead, only the one that makes the claim on it may:
 * another would remove the lock of whoever came in between.
 */
async function removeDead(path: string, text: string): Promise<void> {
  const claim = `${path}.${createHash("sha256").update(text).digest("hex").slice(0, 16)}.tmp`;
  try {
    await writeFile(claim, "", { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST")
      fail("io", `cannot write ${path}: ${reasonOf(error)}`, error);
    const { mtimeMs } = await stat(claim).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > CLAIM_AGE) await rm(claim, { force: true });
    await setTimeout(5);
    return;
  }
  try {
    if ((await textOf(path)) === text) await rm(path, { force: true });
  } finally {
    await rm(claim, { force: true });
  }
}

/** Locks a folder that exists; fails with "usage" while another process has it. Returns what gives it back. */
export async function lockRun(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, FILE);
  const me: Owner = {
    pid: process.pid,
    host: hostname(),
    start: startOf(process.pid),
    since: new Date().toISOString(),
  };
  const whole = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await writeFile(whole, `${JSON.stringify(me)}\n`, { flag: "wx" });
  } catch (error) {
    return fail("io", `cannot write ${path}: ${reasonOf(error)}`, error);
  }
  try {
    for (;;) {
      try {
        await link(whole, path);
        break;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // A disk without hard links: as exclusive, but not whole from its first moment.
        if (code === "EPERM" || code === "ENOTSUP" || code === "EOPNOTSUPP") {
          await writeFile(path, `${JSON.stringify(me)}\n`, { flag: "wx" }).catch(() => undefined);
          if (ownerIn(await textOf(path))?.since === me.since) break;
        } else if (code !== "EEXIST") fail("io", `cannot write ${path}: ${reasonOf(error)}`, error);
      }
      const text = await textOf(path);
      const owner = ownerIn(text);
      if (owner && owner.host !== me.host)
        fail(
          "usage",
          `expected a run that nobody else trains but process ${owner.pid} of ${owner.host} has had ${folder} since ` +
            `${owner.since}; if that machine no longer trains there, delete ${path}`,
        );
      if (owner && isAlive(owner))
        fail(
          "usage",
          `expected a run that nobody else trains but process ${owner.pid} has had ${folder} since ${owner.since}; ` +
            "stop it first, or give another --out",
        );
      if (text !== null) await removeDead(path, text);
    }
  } finally {
    await rm(whole, { force: true });
  }
  const giveBack = (): void => {
    try {
      if (JSON.parse(readFileSync(path, "utf8")).since === me.since) rmSync(path, { force: true });
    } catch {
      // The folder is gone, or the lock is another's by now.
    }
  };
  process.once("exit", giveBack);
  return async () => {
    process.removeListener("exit", giveBack);
    giveBack();
  };
}
