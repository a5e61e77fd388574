/** The address under which other pods reach this one. */
import { networkInterfaces } from "node:os";

/** The first address that is not loopback or link-local, IPv4 before IPv6 and that in brackets; null where there is none. */
export function podAddress(): string | null {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []).filter((each) => !each.internal);
  const v4 = addresses.find(({ family, address }) => family === "IPv4" && !address.startsWith("169.254."));
  if (v4 !== undefined) return v4.address;
  const v6 = addresses.find(({ family, address }) => family === "IPv6" && !address.startsWith("fe80:"));
  return v6 === undefined ? null : `[${v6.address}]`;
}
