import { grpcJs } from "./grpc-js-client.ts";
import { processSuite } from "./suite.ts";

processSuite(grpcJs);
