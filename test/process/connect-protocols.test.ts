// The Connect protocol, gRPC-Web and compressed gRPC reach the same sessions through the Connect adapter.

import { connectNode } from "./connect-client.ts";
import { processSuite } from "./suite.ts";

processSuite(connectNode("connect"));
processSuite(connectNode("grpc-web"));
processSuite(connectNode("compressed gRPC"), [false]);
