/** Who calls through the Connect adapter: handlers see headers and context values, and here the connection. */
import { type ContextValues, createContextKey, createContextValues } from "@connectrpc/connect";
import type { Authorize } from "../rpc/discovery-server.ts";
import type { CallerSession } from "./certificate.ts";
import type { IdentityGate } from "./gate.ts";

/** The HTTP/2 session of a call; null where nobody set it. */
export const callerSession = createContextKey<CallerSession | null>(null);

/** Context values of a request: its session. HTTP/1.1 has none, and proves nothing. */
export function callerValues(request: object): ContextValues {
  // a request of node:http2 has the stream, which no common type says
  const { stream } = request as { readonly stream?: { readonly session?: CallerSession | undefined } };
  return createContextValues().set(callerSession, stream?.session ?? null);
}

/** Who may ask discovery, by the gate. */
export function authorizeBy(gate: IdentityGate): Authorize {
  return ({ requestHeader, values }, action, { namespace, storyRun, step }) =>
    gate.check({ action, namespace, storyRun, step }, values.get(callerSession), requestHeader.get("authorization"));
}
