/** Whether the command was started so that it outlives its terminal. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";

/** O_ACCMODE and O_WRONLY. */
const ACCESS_MODE = 0o3;
const WRITE_ONLY = 0o1;

/**
 * Was it started by `nohup`, or with SIGHUP ignored? Node makes the signal deadly again before any of our code runs, so
 * that beside the process's own mask, which other runtimes leave, its surroundings are looked at: a script that ignores
 * the signal, nohup's name as the shell's last command, and the standard input that nohup puts in place of a terminal,
 * which can only be written to.
 */
export function ignoresHangUp(): boolean {
  const byName = basename(process.env._ ?? "") === "nohup";
  return byName || masksHangUp(process.pid) || masksHangUp(process.ppid) || inputIsWriteOnly();
}

function masksHangUp(process: number): boolean {
  const ignored = field(`/proc/${process}/status`, /^SigIgn:\s*[\da-f]*([\da-f])$/m);
  return ignored !== undefined && (Number.parseInt(ignored, 16) & 1) === 1;
}

function inputIsWriteOnly(): boolean {
  const flags = field("/proc/self/fdinfo/0", /^flags:\s*(\d+)$/m);
  return flags !== undefined && (Number.parseInt(flags, 8) & ACCESS_MODE) === WRITE_ONLY;
}

/** What a file of Linux's process information says; other systems have none. */
function field(path: string, pattern: RegExp): string | undefined {
  try {
    return pattern.exec(readFileSync(path, "utf8"))?.[1];
  } catch {
    return undefined;
  }
}
