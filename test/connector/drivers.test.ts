/** The drivers of the closed table, by one suite. */
import { systemClock } from "../../src/adapters/clock.ts";
import { drivers } from "../../src/adapters/drivers/table.ts";
import type { Accept } from "../../src/connector/driver.ts";
import { silentLog } from "../../src/contract/runtime.ts";
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
