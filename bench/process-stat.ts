/** CPU time and memory of another process, from /proc; null on systems without it. */
import { readdirSync, readFileSync } from "node:fs";

/** CPU time of all threads so far, in nanoseconds. */
export function cpuNanos(pid: number): number | null {
  try {
    let sum = 0;
    // the scheduler's account is exact, utime and stime of /proc/PID/stat count ticks of 10 ms
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "latin1").split(" ")[0]);
    }
    if (sum > 0) return sum;
  } catch {
    // no schedstat, or a thread that ended between the two reads: the ticks below know as well
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 1e7;
  } catch {
    return null;
  }
}

/** Resident memory in bytes. */
export function rssBytes(pid: number): number | null {
  try {
    const match = /^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
    return match === null ? null : Number(match[1]) * 1024;
  } catch {
    return null;
  }
}
