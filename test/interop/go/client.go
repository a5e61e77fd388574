package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"interop/transportv1"
)

// client is a step that speaks to a hub itself, with grpc-go's HTTP/2.
func client(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("client", flag.ExitOnError)
	address := flags.String("hub", "127.0.0.1:9000", "address")
	namespace := flags.String("namespace", "demo", "namespace")
	run := flags.String("run", "run", "StoryRun")
	step := flags.String("step", "a", "step")
	generation := flags.String("generation", "1", "connector generation")
	send := flags.Int("send", 0, "packets to send")
	bytes := flags.Int("bytes", 0, "bytes of each")
	receive := flags.Int("receive", 0, "packets to wait for")
	sessions := flags.Int("sessions", 1, "streams, one after the other")
	timeout := flags.Duration("timeout", 0, "deadline of each stream")
	cancelAfter := flags.Duration("cancel-after", 0, "cancel each stream after this")
	ping := flags.Duration("ping", 0, "keep-alive pings")
	header := flags.Int("header-bytes", 0, "size of an additional header")
	credit := flags.Bool("credit", true, "give credits back")
	certificates := flags.String("tls", "", "folder of tls.crt, tls.key and ca.crt")
	serverName := flags.String("server-name", "", "TLS server name")
	if err := flags.Parse(args); err != nil {
		return err
	}
	transport, err := transportCredentials(*certificates, *serverName)
	if err != nil {
		return err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(10<<20), grpc.MaxCallSendMsgSize(20<<20)),
	}
	if *ping > 0 {
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: *ping, Timeout: 5 * time.Second}))
	}
	connection, err := grpc.NewClient(*address, options...)
	if err != nil {
		return err
	}
	defer connection.Close()
	hub := transportv1.NewHubServiceClient(connection)
	for session := 1; session <= *sessions; session++ {
		scope, cancel := context.WithCancel(ctx)
		if *timeout > 0 {
			scope, cancel = context.WithTimeout(ctx, *timeout)
		}
		if *cancelAfter > 0 {
			time.AfterFunc(*cancelAfter, cancel)
		}
		values := []string{
			"bubu-transport-protocol", "1.0.0", "storyrun-namespace", *namespace, "storyrun-name", *run,
			"current-step-id", *step, "connector-generation", *generation,
		}
		if *header > 0 {
			values = append(values, "x-padding", strings.Repeat("p", *header))
		}
		err := exchange(metadata.AppendToOutgoingContext(scope, values...), hub, *send, *bytes, *receive, *credit)
		cancel()
		code := status.Convert(err)
		report("ended", map[string]any{"session": session, "code": code.Code().String(), "message": code.Message()})
	}
	return nil
}

func exchange(ctx context.Context, hub transportv1.HubServiceClient, send, bytes, receive int, credit bool) error {
	stream, err := hub.Process(ctx)
	if err != nil {
		return err
	}
	for i := 1; i <= send; i++ {
		packet := &transportv1.DataPacket{Metadata: map[string]string{"bubu.envelope.message_id": fmt.Sprint(i)}}
		if bytes > 0 {
			packet.Frame = &transportv1.DataPacket_Binary{Binary: &transportv1.BinaryFrame{Payload: make([]byte, bytes), MimeType: "a/b"}}
		} else {
			packet.Payload, _ = structpb.NewStruct(map[string]any{"n": i})
		}
		if err := stream.Send(&transportv1.ProcessRequest{Packet: packet}); err != nil {
			_, err = stream.Recv()
			return err
		}
	}
	report("sent", map[string]any{"count": send})
	for got := 0; receive == 0 || got < receive; {
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		if response.Packet == nil || response.Packet.Metadata["bubu-heartbeat"] == "true" {
			continue
		}
		got++
		report("packet", map[string]any{"id": response.Packet.Metadata["bubu.envelope.message_id"]})
		if credit {
			flow := &transportv1.FlowControl{CreditsMessages: 1, CreditsBytes: 1 << 20}
			if err := stream.Send(&transportv1.ProcessRequest{Flow: flow}); err != nil {
				return err
			}
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	_, err = stream.Recv()
	if err != nil && err.Error() == "EOF" {
		return nil
	}
	return err
}

func transportCredentials(folder, serverName string) (credentials.TransportCredentials, error) {
	if folder == "" {
		return insecure.NewCredentials(), nil
	}
	pair, err := tls.LoadX509KeyPair(folder+"/tls.crt", folder+"/tls.key")
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(folder + "/ca.crt")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errors.New("ca.crt holds no certificate")
	}
	return credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: pool, ServerName: serverName, MinVersion: tls.VersionTLS13,
	}), nil
}
