/** The drivers of the closed table, by one suite. */
import { systemClock } from "../../src/adapters/clock.ts";
import { drivers } from "../../src/adapters/drivers/table.ts";
import { podAddress } from "../../src/adapters/connector/pod-address.ts";
import type { Accept } from "../../src/connector/driver.ts";
import { silentLog } from "../../src/contract/runtime.ts";
import { createAuthority } from "../support/tls.ts";
import { driverSuite } from "./driver-suite.ts";

const deps = () => ({
  clock: systemClock,
  log: silentLog,
  tls: null,
  maxReceiveBytes: 10_485_760,
  memory: new Map<string, Accept>(),
});

driverSuite("memory", () => {
  const driver = drivers.memory(deps());
  return Promise.resolve({
    driver,
    address: "here",
    serverName: "",
    [Symbol.asyncDispose]: () => driver.close(),
  });
});

driverSuite("bobravoz-grpc", () => {
  const driver = drivers["bobravoz-grpc"](deps());
  return Promise.resolve({
    driver,
    address: "127.0.0.1:0",
    serverName: "",
    [Symbol.asyncDispose]: () => driver.close(),
  });
});

// Off loopback: TLS 1.3 with certificates on both sides. A machine without any other address has nothing to show.
const address = podAddress();
if (address !== null) {
  const tls = createAuthority("engrams").issue("connector");
  driverSuite("bobravoz-grpc with mTLS", () => {
    const driver = drivers["bobravoz-grpc"]({ ...deps(), tls });
    return Promise.resolve({
      driver,
      address: `${address}:0`,
      serverName: "localhost",
      [Symbol.asyncDispose]: () => driver.close(),
    });
  });
}
