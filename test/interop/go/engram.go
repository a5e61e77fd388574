package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"interop/transportv1"
)

const envelopeMime = "application/vnd.bubu.packet+json"

type engramOptions struct {
	mode       string
	count      int
	bytes      int
	delay      time.Duration
	sessions   int
	crashAfter int
}

// engram plays a step beside its connector: Data first, Control second, handshake, receipts, heartbeats.
func engram(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("engram", flag.ExitOnError)
	o := engramOptions{}
	flags.StringVar(&o.mode, "mode", "echo", "echo, upper, sink, source, audio, error")
	flags.IntVar(&o.count, "count", 10, "packets that a source sends")
	flags.IntVar(&o.bytes, "bytes", 0, "raw bytes of each packet of a source; 0: a structured one")
	flags.DurationVar(&o.delay, "delay", 0, "time that a packet takes")
	flags.IntVar(&o.sessions, "sessions", 1, "sessions, one after the other")
	flags.IntVar(&o.crashAfter, "crash-after", 0, "exit 3 after so many packets")
	if err := flags.Parse(args); err != nil {
		return err
	}
	endpoint, err := endpointOf(os.Getenv("BUBU_TRANSPORT_BINDING"))
	if err != nil {
		return err
	}
	for session := 1; session <= o.sessions; session++ {
		err := runSession(ctx, endpoint, o, session)
		report("session ended", map[string]any{"session": session, "error": fmt.Sprint(err)})
		if err != nil && ctx.Err() == nil && session == o.sessions {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

func endpointOf(text string) (string, error) {
	var envelope struct {
		Binding json.RawMessage `json:"binding"`
	}
	if err := json.Unmarshal([]byte(text), &envelope); err != nil {
		return "", fmt.Errorf("BUBU_TRANSPORT_BINDING: %w", err)
	}
	info := &transportv1.BindingInfo{}
	if err := protojson.Unmarshal(envelope.Binding, info); err != nil {
		return "", fmt.Errorf("BUBU_TRANSPORT_BINDING: %w", err)
	}
	if info.ProtocolVersion != "1.0.0" {
		return "", fmt.Errorf("protocol version %q", info.ProtocolVersion)
	}
	return info.Endpoint, nil
}

func runSession(ctx context.Context, endpoint string, o engramOptions, session int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	connection, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(10<<20), grpc.MaxCallSendMsgSize(10<<20)))
	if err != nil {
		return err
	}
	defer connection.Close()
	service := transportv1.NewTransportConnectorServiceClient(connection)
	outgoing := metadata.AppendToOutgoingContext(ctx, "bubu-transport-protocol", "1.0.0")
	data, err := service.Data(outgoing, grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	control, err := service.Control(metadata.AppendToOutgoingContext(outgoing, "bubu.transport.binding", "default/binding"))
	if err != nil {
		return err
	}
	c := &controlStream{stream: control}
	if err := c.handshake(); err != nil {
		return err
	}
	report("ready", map[string]any{"session": session})
	failed := make(chan error, 3)
	go func() { failed <- c.serve() }()
	sending := &sync.Mutex{}
	send := func(request *transportv1.DataRequest) error {
		sending.Lock()
		defer sending.Unlock()
		return data.Send(request)
	}
	if o.mode == "source" || o.mode == "audio" || o.mode == "error" {
		go func() {
			for i := 1; i <= o.count; i++ {
				if o.delay > 0 {
					time.Sleep(o.delay)
				}
				if err := send(sourcePacket(o, i)); err != nil {
					failed <- err
					return
				}
			}
			report("sent", map[string]any{"count": o.count, "session": session})
		}()
	}
	go func() { failed <- receiveAll(data.Recv, o, send, c) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

func receiveAll(
	receive func() (*transportv1.DataResponse, error), o engramOptions,
	send func(*transportv1.DataRequest) error, control *controlStream,
) error {
	handled := 0
	for {
		response, err := receive()
		if err != nil {
			return err
		}
		if response.Frame == nil || response.Metadata["bubu-heartbeat"] == "true" {
			report("keep-alive", map[string]any{})
			if err := control.receipt(response); err != nil {
				return err
			}
			continue
		}
		fields := describe(response)
		report("packet", fields)
		handled++
		if o.crashAfter > 0 && handled == o.crashAfter {
			os.Exit(3)
		}
		if o.delay > 0 {
			time.Sleep(o.delay)
		}
		if o.mode == "echo" || o.mode == "upper" {
			if err := send(answer(response, o.mode == "upper")); err != nil {
				return err
			}
		}
		if err := control.receipt(response); err != nil {
			return err
		}
	}
}

type packetEnvelope struct {
	Version   string            `json:"version,omitempty"`
	Kind      string            `json:"kind,omitempty"`
	MessageID string            `json:"messageId,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Payload   any               `json:"payload,omitempty"`
	Inputs    any               `json:"inputs,omitempty"`
}

func describe(response *transportv1.DataResponse) map[string]any {
	fields := map[string]any{"metadata": response.Metadata}
	if envelope := response.Envelope; envelope != nil {
		fields["streamId"], fields["sequence"], fields["partition"] = envelope.StreamId, envelope.Sequence, envelope.Partition
	}
	var body []byte
	switch frame := response.Frame.(type) {
	case *transportv1.DataResponse_Audio:
		fields["frame"], body = "audio", frame.Audio.Pcm
	case *transportv1.DataResponse_Video:
		fields["frame"], body = "video", frame.Video.Payload
	case *transportv1.DataResponse_Binary:
		fields["frame"], body = frame.Binary.MimeType, frame.Binary.Payload
		if frame.Binary.MimeType == envelopeMime {
			var envelope packetEnvelope
			if err := json.Unmarshal(body, &envelope); err != nil {
				fields["invalid"] = err.Error()
			}
			fields["envelope"] = envelope
		}
	}
	sum := sha256.Sum256(body)
	fields["bytes"], fields["sha256"] = len(body), hex.EncodeToString(sum[:8])
	if response.Payload != nil {
		fields["payload"] = response.Payload.AsMap()
	}
	if response.Inputs != nil {
		fields["inputs"] = response.Inputs.AsMap()
	}
	return fields
}

// answer sends back what came: the frame as it is, or a structured packet with its text in capitals.
func answer(response *transportv1.DataResponse, upper bool) *transportv1.DataRequest {
	request := &transportv1.DataRequest{Metadata: map[string]string{}, Payload: response.Payload, Inputs: response.Inputs}
	for key, value := range response.Metadata {
		request.Metadata[key] = value
	}
	switch frame := response.Frame.(type) {
	case *transportv1.DataResponse_Audio:
		request.Frame = &transportv1.DataRequest_Audio{Audio: frame.Audio}
	case *transportv1.DataResponse_Video:
		request.Frame = &transportv1.DataRequest_Video{Video: frame.Video}
	case *transportv1.DataResponse_Binary:
		request.Frame = &transportv1.DataRequest_Binary{Binary: frame.Binary}
		var envelope packetEnvelope
		if frame.Binary.MimeType == envelopeMime && json.Unmarshal(frame.Binary.Payload, &envelope) == nil {
			// an error's payload comes beside its envelope
			if envelope.Payload == nil && response.Payload != nil {
				envelope.Payload = response.Payload.AsMap()
			}
			payload, _ := envelope.Payload.(map[string]any)
			if text, ok := payload["text"].(string); ok && upper {
				payload["text"] = strings.ToUpper(text)
			}
			envelope.Inputs = nil
			return structured(envelope)
		}
	}
	return request
}

func structured(envelope packetEnvelope) *transportv1.DataRequest {
	envelope.Version = "v1"
	body, err := json.Marshal(envelope)
	if err != nil {
		panic(err)
	}
	request := &transportv1.DataRequest{
		Metadata: map[string]string{"bubu.envelope.kind": envelope.Kind, "bubu.envelope.message_id": envelope.MessageID},
		Frame:    &transportv1.DataRequest_Binary{Binary: &transportv1.BinaryFrame{Payload: body, MimeType: envelopeMime}},
	}
	for key, value := range envelope.Metadata {
		request.Metadata[key] = value
	}
	if payload, ok := envelope.Payload.(map[string]any); ok {
		request.Payload, _ = structpb.NewStruct(payload)
	}
	return request
}

func sourcePacket(o engramOptions, i int) *transportv1.DataRequest {
	id := strconv.Itoa(i)
	switch {
	case o.mode == "audio":
		return &transportv1.DataRequest{
			Metadata: map[string]string{"bubu.envelope.message_id": id},
			Frame: &transportv1.DataRequest_Audio{Audio: &transportv1.AudioFrame{
				Pcm: make([]byte, 640), SampleRateHz: 16000, Channels: 1, Codec: "pcm16", TimestampMs: uint64(20 * i),
			}},
		}
	case o.mode == "error":
		return structured(packetEnvelope{Kind: "error", MessageID: id, Payload: map[string]any{
			"version": "v1", "type": "execution", "message": "it broke", "exitClass": "terminal",
		}})
	case o.bytes > 0:
		body := make([]byte, o.bytes)
		for at := range body {
			body[at] = byte(i + at)
		}
		return &transportv1.DataRequest{
			Metadata: map[string]string{"bubu.envelope.message_id": id},
			Frame:    &transportv1.DataRequest_Binary{Binary: &transportv1.BinaryFrame{Payload: body, MimeType: "application/octet-stream"}},
		}
	default:
		return structured(packetEnvelope{Kind: "data", MessageID: id, Payload: map[string]any{"n": i, "text": "packet " + id}})
	}
}

type controlStream struct {
	stream transportv1.TransportConnectorService_ControlClient
	lock   sync.Mutex
}

func (c *controlStream) send(request *transportv1.ControlRequest) error {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.stream.Send(request)
}

// handshake waits for connector.ready, and for the capabilities where it says that they are required.
func (c *controlStream) handshake() error {
	ready, capabilities, required := false, false, false
	deadline := time.AfterFunc(30*time.Second, func() { _ = c.stream.CloseSend() })
	defer deadline.Stop()
	for !ready || (required && !capabilities) {
		response, err := c.stream.Recv()
		if err != nil {
			return fmt.Errorf("handshake: %w", err)
		}
		report("control", map[string]any{"action": response.Action.String(), "metadata": response.Metadata, "custom": response.CustomAction})
		switch response.Action {
		case transportv1.ControlAction_CONTROL_ACTION_CONNECTOR_READY:
			mode := response.Metadata["startup.capabilities"]
			if mode != "required" && mode != "none" {
				return errors.New("handshake: startup.capabilities is " + mode)
			}
			ready, required = true, mode == "required"
		case transportv1.ControlAction_CONTROL_ACTION_CONNECTOR_CAPABILITIES:
			capabilities = true
		}
		if err := c.acknowledge(response); err != nil {
			return err
		}
	}
	return nil
}

func (c *controlStream) acknowledge(response *transportv1.ControlResponse) error {
	if response.Action == transportv1.ControlAction_CONTROL_ACTION_ACK {
		return nil
	}
	name := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(response.Action.String(), "CONTROL_ACTION_"), "_", "."))
	return c.send(&transportv1.ControlRequest{
		Action:   transportv1.ControlAction_CONTROL_ACTION_ACK,
		Metadata: map[string]string{"type": name, "handled": "true", "reason": "startup"},
	})
}

func (c *controlStream) serve() error {
	go func() {
		for range time.Tick(30 * time.Second) {
			if c.send(&transportv1.ControlRequest{Action: transportv1.ControlAction_CONTROL_ACTION_HEARTBEAT,
				Metadata: map[string]string{"ts": strconv.FormatInt(time.Now().UnixMilli(), 10)}}) != nil {
				return
			}
		}
	}()
	for {
		response, err := c.stream.Recv()
		if err != nil {
			return err
		}
		report("control", map[string]any{"action": response.Action.String(), "metadata": response.Metadata, "custom": response.CustomAction})
		if err := c.acknowledge(response); err != nil {
			return err
		}
	}
}

// receipt says that a sequenced packet was handled.
func (c *controlStream) receipt(response *transportv1.DataResponse) error {
	envelope := response.Envelope
	if envelope.GetSequence() == 0 {
		return nil
	}
	size := proto.Size(&transportv1.DataRequest{Metadata: response.Metadata, Payload: response.Payload, Inputs: response.Inputs, Envelope: envelope})
	return c.send(&transportv1.ControlRequest{
		CustomAction: "downstream.delivered",
		Metadata: map[string]string{
			"stream_id": envelope.StreamId, "partition": envelope.Partition,
			"sequence": strconv.FormatUint(envelope.Sequence, 10), "size_bytes": strconv.Itoa(size),
		},
	})
}
