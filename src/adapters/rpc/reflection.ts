/** The public reflection service, in both of its versions, from the descriptors that the generated code carries. */
import { type DescFile, toBinary } from "@bufbuild/protobuf";
import { type DescriptorProto, type EnumDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";

// The two versions have the same messages under different type names: these are what both have.
type Question =
  | {
    readonly case: "listServices" | "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType";
    readonly value: string;
  }
  | {
    readonly case: "fileContainingExtension";
    readonly value: { readonly containingType: string; readonly extensionNumber: number };
  }
  | { readonly case: undefined };

type Answer =
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: "allExtensionNumbersResponse"; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: "errorResponse"; value: { errorCode: number; errorMessage: string } };

/**
 * Adds `grpc.reflection.v1` and `v1alpha`, which list the services of `files` and answer their descriptors, with
 * everything that those import.
 */
export function addReflection(router: ConnectRouter, files: readonly DescFile[]): void {
  const catalog = new Catalog(files);
  router.service(ServerReflection, { serverReflectionInfo: (requests) => answerAll(catalog, requests) });
  router.service(ServerReflectionAlpha, { serverReflectionInfo: (requests) => answerAll(catalog, requests) });
}

async function* answerAll<R extends { readonly host: string; readonly messageRequest: Question }>(
  catalog: Catalog,
  requests: AsyncIterable<R>,
): AsyncGenerator<{ validHost: string; originalRequest: R; messageResponse: Answer }> {
  for await (const request of requests) {
    yield {
      validHost: request.host,
      originalRequest: request,
      messageResponse: catalog.answer(request.messageRequest),
    };
  }
}

class Catalog {
  readonly #services: readonly string[];
  readonly #files = new Map<string, DescFile>();
  // Every symbol that a client may ask for; made at the first question, since most servers never get one.
  #symbols: ReadonlyMap<string, DescFile> | null = null;

  constructor(files: readonly DescFile[]) {
    this.#services = files.flatMap((file) => file.services.map((service) => service.typeName)).sort();
    for (const file of files) for (const each of withImports(file)) this.#files.set(each.proto.name, each);
  }

  answer(request: Question): Answer {
    switch (request.case) {
      case "listServices":
        return { case: "listServicesResponse", value: { service: this.#services.map((name) => ({ name })) } };
      case "fileByFilename":
        return describe(this.#files.get(request.value), `file "${request.value}"`);
      case "fileContainingSymbol":
        this.#symbols ??= symbolsOf(this.#files.values());
        return describe(this.#symbols.get(request.value), `symbol "${request.value}"`);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = request.value;
        // No file of ours declares an extension.
        return failure(Code.NotFound, `extension ${extensionNumber} of "${containingType}" not found`);
      }
      case "allExtensionNumbersOfType":
        this.#symbols ??= symbolsOf(this.#files.values());
        if (!this.#symbols.has(request.value)) return failure(Code.NotFound, `type "${request.value}" not found`);
        return { case: "allExtensionNumbersResponse", value: { baseTypeName: request.value, extensionNumber: [] } };
      case undefined:
        return failure(Code.InvalidArgument, "message_request is missing");
      default:
        return request satisfies never;
    }
  }
}

/** The file, and after it all that it imports. */
function withImports(file: DescFile): Set<DescFile> {
  const seen = new Set<DescFile>([file]);
  // A set is walked in the order of insertion, and what is added on the way is walked too.
  for (const at of seen) at.dependencies.forEach((dependency) => seen.add(dependency));
  return seen;
}

/** Files by the full names of what they declare: types, services and all of their members. */
function symbolsOf(files: Iterable<DescFile>): Map<string, DescFile> {
  const symbols = new Map<string, DescFile>();
  for (const file of files) {
    const add = (scope: string, named: readonly { readonly name: string }[]): void => {
      for (const { name } of named) symbols.set(scope === "" ? name : `${scope}.${name}`, file);
    };
    const addEnums = (scope: string, enums: readonly EnumDescriptorProto[]): void => {
      add(scope, enums);
      // The values of an enum are named beside it, not below it.
      for (const { value } of enums) add(scope, value);
    };
    const addMessages = (scope: string, messages: readonly DescriptorProto[]): void => {
      add(scope, messages);
      for (const message of messages) {
        const within = scope === "" ? message.name : `${scope}.${message.name}`;
        add(within, [...message.field, ...message.oneofDecl]);
        addEnums(within, message.enumType);
        addMessages(within, message.nestedType);
      }
    };
    const { package: scope, enumType, messageType, service } = file.proto;
    addEnums(scope, enumType);
    addMessages(scope, messageType);
    add(scope, service);
    for (const { name, method } of service) add(`${scope}.${name}`, method);
  }
  return symbols;
}

/** The file with its imports, so that a client needs no second question. */
function describe(file: DescFile | undefined, what: string): Answer {
  if (file === undefined) return failure(Code.NotFound, `${what} not found`);
  const fileDescriptorProto = [...withImports(file)].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function failure(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
