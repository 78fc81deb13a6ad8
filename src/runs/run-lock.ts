/**
 * One process at a time trains in a run's folder. The lock is a file that names its owner; it is made whole and
 * exclusively, and removed when its process ends. The lock of a process that is gone is taken over.
 */

import { randomBytes } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
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

async function ownerOf(path: string): Promise<Owner | null> {
  try {
    const owner = JSON.parse(await readFile(path, "utf8")) as Owner;
    return typeof owner.pid === "number" && typeof owner.host === "string" ? owner : null;
  } catch {
    return null;
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
          if ((await ownerOf(path))?.since === me.since) break;
        } else if (code !== "EEXIST") fail("io", `cannot write ${path}: ${reasonOf(error)}`, error);
      }
      const owner = await ownerOf(path);
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
      // Of two that take over a dead one's lock, one moves it away; the other finds a new one, or none.
      const dead = `${path}.${randomBytes(4).toString("hex")}.tmp`;
      await rename(path, dead).catch(() => undefined);
      await rm(dead, { force: true });
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
