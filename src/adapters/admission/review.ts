/** AdmissionReview v1, read and answered (Kubernetes `admission.k8s.io/v1`). */
import { Buffer } from "node:buffer";
import { TransportError } from "../../contract/errors.ts";
import type { JsonObject } from "../../contract/resources.ts";
import { isJsonObject } from "../../contract/settings-schema.ts";
import type { Admission, PodRequest } from "../../control/inject.ts";

export interface Review extends PodRequest {
  readonly uid: string;
  /** Group, version and kind of the object: `v1/Pod`; null where the request does not say. */
  readonly kind: string | null;
}

/** Reads the body of a request. Throws `InvalidRequest` that says what is missing. */
export function readReview(body: string): Review {
  const review = parse(body);
  const { apiVersion, kind, request } = review;
  if (apiVersion !== "admission.k8s.io/v1" || kind !== "AdmissionReview") {
    throw wrong(`it is ${text(apiVersion) || "?"} ${text(kind) || "?"}, not admission.k8s.io/v1 AdmissionReview`);
  }
  if (!isJsonObject(request)) throw wrong("it has no request");
  if (text(request["uid"]) === "") throw wrong("its request has no uid");
  const object = request["object"];
  return {
    uid: text(request["uid"]),
    kind: kindOf(request["kind"]),
    operation: text(request["operation"]),
    namespace: text(request["namespace"]) || namespaceOf(object),
    // a DELETE has none
    pod: isJsonObject(object) ? object : {},
  };
}

/** The response of a review, as JSON text. */
export function writeReview(uid: string, admission: Admission | { allowed: false; code: 500 | 504; message: string }) {
  const response = admission.allowed
    ? {
      uid,
      allowed: true,
      ...admission.message === undefined ? {} : { status: { code: 200, message: admission.message } },
      ...admission.warnings.length === 0 ? {} : { warnings: admission.warnings },
      ...admission.patch.length === 0 ? {} : {
        patchType: "JSONPatch",
        patch: Buffer.from(JSON.stringify(admission.patch)).toString("base64"),
      },
    }
    : { uid, allowed: false, status: { code: admission.code, message: admission.message } };
  return JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response });
}

function parse(body: string): JsonObject {
  try {
    const value: unknown = JSON.parse(body);
    // JSON.parse gives JSON values
    if (isJsonObject(value as JsonObject)) return value as JsonObject;
  } catch (error) {
    throw wrong(`it is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  throw wrong("it is not a JSON object");
}

function namespaceOf(object: unknown): string {
  const metadata = isJsonObject(object as JsonObject) ? (object as JsonObject)["metadata"] : undefined;
  return isJsonObject(metadata) ? text(metadata["namespace"]) : "";
}

function kindOf(value: unknown): string | null {
  if (!isJsonObject(value as JsonObject)) return null;
  const { group, version, kind } = value as JsonObject;
  return `${text(group) === "" ? "" : `${text(group)}/`}${text(version)}/${text(kind)}`;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function wrong(message: string): TransportError {
  return new TransportError("InvalidRequest", `the body is no AdmissionReview: ${message}`);
}
