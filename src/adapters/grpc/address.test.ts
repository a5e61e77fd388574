import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isTransportError } from "../../contract/errors.ts";
import { parseSocketAddress } from "./address.ts";

const test = suite("addresses of gRPC peers");

test("hosts, IPv6 in brackets, and paths are taken as bindings write them", () => {
  assert.equal(parseSocketAddress("hub.default.svc:9000"), { host: "hub.default.svc", port: 9000 });
  assert.equal(parseSocketAddress("[::1]:0"), { host: "::1", port: 0 });
  assert.equal(parseSocketAddress(":50051"), { host: "127.0.0.1", port: 50051 });
  assert.equal(parseSocketAddress("unix:/run/engram.sock"), { path: "/run/engram.sock" });
  assert.equal(parseSocketAddress("unix:///run/engram.sock"), { path: "/run/engram.sock" });
});

test("what is no address is refused by name", () => {
  for (const text of ["", "hub", "hub:", "hub:http", "hub:65536", "a:b:1", "[::1", "unix:", "unix://"]) {
    const named = (error: unknown) =>
      isTransportError(error, "InvalidConfiguration") && error.message.includes(JSON.stringify(text));
    assert.throws(() => parseSocketAddress(text), named);
  }
});

test.run();
