/** Whether a host is this machine by the way it is written, never by what a name resolves to (DECISIONS W-06). */
export function isLoopback(host: string): boolean {
  const plain = host.replace(/^\[|\]$/g, "").toLowerCase();
  return plain === "localhost" || plain === "::1" || /^127(?:\.[0-9]{1,3}){3}$/.test(plain) ||
    plain.startsWith("unix:");
}
