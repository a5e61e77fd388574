package main

import (
	"context"
	"flag"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"

	"interop/transportv1"
)

// relay forwards what the step "producer" sends to the step "consumer": decoded and encoded again, or as raw bytes.
func relay(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("relay", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:0", "address")
	raw := flags.Bool("raw", false, "pass bytes through")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	options := []grpc.ServerOption{
		grpc.InitialWindowSize(256 << 10), grpc.InitialConnWindowSize(1 << 20),
		grpc.MaxRecvMsgSize(16 << 20), grpc.MaxSendMsgSize(16 << 20),
	}
	var server *grpc.Server
	if *raw {
		options = append(options, grpc.ForceServerCodecV2(rawCodec{}), grpc.UnknownServiceHandler(rawRelay(newMeeting())))
		server = grpc.NewServer(options...)
	} else {
		server = grpc.NewServer(options...)
		transportv1.RegisterHubServiceServer(server, &protoRelay{meeting: newMeeting()})
	}
	report("listening", map[string]any{"address": listener.Addr().String()})
	context.AfterFunc(ctx, server.Stop)
	return server.Serve(listener)
}

// meeting is where a producer waits for its consumer.
type meeting struct {
	lock    sync.Mutex
	arrived chan struct{}
	target  grpc.ServerStream
}

func newMeeting() *meeting { return &meeting{arrived: make(chan struct{})} }

func (m *meeting) join(stream grpc.ServerStream) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.target == nil {
		close(m.arrived)
	}
	m.target = stream
}

func stepOf(ctx context.Context) string {
	values, _ := metadata.FromIncomingContext(ctx)
	if step := values.Get("current-step-id"); len(step) > 0 {
		return step[0]
	}
	return ""
}

type protoRelay struct {
	transportv1.UnimplementedHubServiceServer
	meeting *meeting
}

func (r *protoRelay) Process(stream transportv1.HubService_ProcessServer) error {
	switch stepOf(stream.Context()) {
	case "consumer":
		r.meeting.join(stream)
		return drain(stream.Context(), func() error { _, err := stream.Recv(); return err })
	case "producer":
		<-r.meeting.arrived
		for {
			request, err := stream.Recv()
			if err != nil {
				return nil
			}
			if err := r.meeting.target.SendMsg(&transportv1.ProcessResponse{Packet: request.Packet}); err != nil {
				return err
			}
		}
	default:
		<-stream.Context().Done()
		return nil
	}
}

func rawRelay(m *meeting) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		switch stepOf(stream.Context()) {
		case "consumer":
			m.join(stream)
			return drain(stream.Context(), func() error { return stream.RecvMsg(&rawMessage{}) })
		case "producer":
			<-m.arrived
			for {
				message := &rawMessage{}
				if err := stream.RecvMsg(message); err != nil {
					return nil
				}
				if err := m.target.SendMsg(message); err != nil {
					return err
				}
			}
		default:
			<-stream.Context().Done()
			return nil
		}
	}
}

// drain reads acknowledgements until the stream ends.
func drain(ctx context.Context, receive func() error) error {
	for receive() == nil {
	}
	<-ctx.Done()
	return nil
}

type rawMessage struct{ data mem.BufferSlice }

// rawCodec hands the bytes of a message on without looking at them.
type rawCodec struct{}

var _ encoding.CodecV2 = rawCodec{}

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) { return v.(*rawMessage).data, nil }
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	data.Ref()
	v.(*rawMessage).data = data
	return nil
}
func (rawCodec) Name() string { return "proto" }
