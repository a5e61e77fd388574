/** `host:port` as Go's `net.SplitHostPort` takes it apart. */

/** Host without brackets, and port, which may be empty; or what is wrong, in Go's words. */
export function splitHostPort(
  address: string,
): { readonly host: string; readonly port: string } | { readonly fault: string } {
  const last = address.lastIndexOf(":");
  if (last < 0) return { fault: "missing port in address" };
  let host = address.slice(0, last);
  let hostStart = 0;
  let rest = 0;
  if (address.startsWith("[")) {
    const end = address.indexOf("]");
    if (end < 0) return { fault: "missing ']' in address" };
    if (end + 1 === address.length) return { fault: "missing port in address" };
    if (end + 1 !== last) {
      return { fault: address[end + 1] === ":" ? "too many colons in address" : "missing port in address" };
    }
    host = address.slice(1, end);
    hostStart = 1;
    rest = end + 1;
  } else if (host.includes(":")) {
    return { fault: "too many colons in address" };
  }
  if (address.indexOf("[", hostStart) >= 0) return { fault: "unexpected '[' in address" };
  if (address.indexOf("]", rest) >= 0) return { fault: "unexpected ']' in address" };
  return { host, port: address.slice(last + 1) };
}
