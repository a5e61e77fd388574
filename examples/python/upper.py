"""An engram from proto/ alone: it answers each packet with its text in capitals.

Stubs:  pip install grpcio grpcio-tools
        python -m grpc_tools.protoc -I ../../proto --python_out=. --grpc_python_out=. \
            transport/v1/transport.proto transport/v1/hub.proto
"""
import os
import queue

import grpc

from transport.v1 import hub_pb2, hub_pb2_grpc

env = os.environ
metadata = [
    ("bubu-transport-protocol", "1.0.0"),
    ("storyrun-namespace", env["BUBU_POD_NAMESPACE"]),
    ("storyrun-name", env["BUBU_STORYRUN_ID"]),
    ("current-step-id", env["BUBU_STEP_NAME"]),
    ("connector-generation", env["BUBU_CONNECTOR_GENERATION"]),
]
outgoing = queue.SimpleQueue()  # of ProcessRequest; None ends the stream

with grpc.insecure_channel(env["BOBRAVOZ_HUB_ENDPOINT"]) as channel:
    hub = hub_pb2_grpc.HubServiceStub(channel)
    for response in hub.Process(iter(outgoing.get, None), metadata=metadata):
        packet = response.packet
        if not response.HasField("packet") or packet.metadata.get("bubu-heartbeat") == "true":
            continue
        answer = hub_pb2.ProcessRequest()
        answer.packet.metadata["type"] = "text.upper"
        answer.packet.payload["text"] = packet.payload["text"].upper()
        # what was handled gives its credit back, or the hub stops sending after the first ones
        answer.flow.credits_messages = 1
        answer.flow.credits_bytes = packet.ByteSize()
        outgoing.put(answer)
