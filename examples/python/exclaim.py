"""An engram as an SDK's is: it speaks to the connector beside it, and answers each packet with a mark behind its text.

Stubs as for upper.py.
"""
import json
import os
import queue
import threading

import grpc

from transport.v1 import transport_pb2, transport_pb2_grpc

envelope_type = "application/vnd.bubu.packet+json"
binding = json.loads(os.environ["BUBU_TRANSPORT_BINDING"])
mark = json.loads(os.environ.get("BUBU_STEP_CONFIG") or "{}").get("mark", "!")
protocol = ("bubu-transport-protocol", "1.0.0")
name = ("bubu.transport.binding", f"{binding.get('namespace', '')}/{binding['name']}")
data, control = queue.SimpleQueue(), queue.SimpleQueue()  # of requests; None ends the stream

with grpc.insecure_channel(binding["binding"]["endpoint"]) as channel:
    grpc.channel_ready_future(channel).result(timeout=10)  # the connector starts at the same time
    connector = transport_pb2_grpc.TransportConnectorServiceStub(channel)
    packets = connector.Data(iter(data.get, None), metadata=[protocol])  # Data first, then Control
    directives = connector.Control(iter(control.get, None), metadata=[protocol, name])

    def acknowledge():
        actions = transport_pb2.ControlAction
        for directive in directives:
            if directive.action == actions.CONTROL_ACTION_ACK:
                continue
            ack = transport_pb2.ControlRequest(action=actions.CONTROL_ACTION_ACK)
            ack.metadata.update(type=actions.Name(directive.action), handled="true", reason="read")
            control.put(ack)

    threading.Thread(target=acknowledge, daemon=True).start()
    for packet in packets:
        if packet.WhichOneof("frame") != "binary":  # without a frame: the connector says that it lives
            continue
        payload = json.loads(packet.binary.payload)["payload"]
        answer = {"text": payload["text"] + mark}
        envelope = {"version": "v1", "kind": "data", "payload": answer}
        request = transport_pb2.DataRequest(metadata={"type": "text.exclaimed"})
        request.binary.payload = json.dumps(envelope).encode()
        request.binary.mime_type = envelope_type
        request.payload.update(answer)
        data.put(request)
        if packet.envelope.sequence > 0:  # what was handled, where delivery is sequenced
            receipt = transport_pb2.ControlRequest(custom_action="downstream.delivered")
            receipt.metadata.update(stream_id=packet.envelope.stream_id, sequence=str(packet.envelope.sequence))
            receipt.metadata.update(partition=packet.envelope.partition, size_bytes=str(packet.ByteSize()))
            control.put(receipt)
