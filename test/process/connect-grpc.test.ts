import { connectNode } from "./connect-client.ts";
import { processSuite } from "./suite.ts";

processSuite(connectNode("grpc"));
