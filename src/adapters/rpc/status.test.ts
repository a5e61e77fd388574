import * as assert from "uvu/assert";
import { suite } from "uvu";
import { Code, ConnectError } from "@connectrpc/connect";
import { TransportError } from "../../contract/errors.ts";
import { reasonHeader } from "../grpc/status.ts";
import { reasonOf, statusOf, toConnectError, withStatus } from "./status.ts";

const test = suite("rpc status");

test("a reason becomes its code, and travels as metadata beside it", () => {
  const error = toConnectError(new TransportError("StaleGeneration", "generation 1 is below 2"));
  assert.is(error.code, Code.FailedPrecondition);
  assert.is(error.rawMessage, "generation 1 is below 2");
  assert.is(error.metadata.get(reasonHeader), "StaleGeneration");
  assert.is(reasonOf(error), "StaleGeneration");
});

test("an error of another service passes unchanged and has no reason", () => {
  const error = new ConnectError("no", Code.Unimplemented, { [reasonHeader]: "Invented" });
  assert.is(toConnectError(error), error);
  assert.is(reasonOf(error), null);
});

test("a broken invariant says nothing of itself to a peer", () => {
  const status = statusOf(new Error("secret path"));
  assert.equal(status, { code: Code.Internal, message: "internal error", reason: null });
});

test("a call that was cancelled or too late says which", () => {
  assert.is(statusOf(new DOMException("x", "AbortError")).code, Code.Canceled);
  assert.is(statusOf(new DOMException("x", "TimeoutError")).code, Code.DeadlineExceeded);
});

test("a call's result passes and its failure is translated", async () => {
  assert.is(await withStatus(() => 7), 7);
  try {
    await withStatus(() => {
      throw new TransportError("NotFound", "no such run");
    });
    assert.unreachable();
  } catch (error) {
    assert.ok(error instanceof ConnectError);
    assert.is(error.code, Code.NotFound);
  }
});

test.run();
