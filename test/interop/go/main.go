// Peers on grpc-go that the tests and the bench speak with: an engram as the contract describes it, a client of a hub,
// and a relay. Each prints one JSON object per line about what it sees.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	programs := map[string]func(context.Context, []string) error{"engram": engram, "client": client, "relay": relay}
	if len(os.Args) < 2 || programs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: interop engram|client|relay [flags]")
		os.Exit(2)
	}
	if err := programs[os.Args[1]](ctx, os.Args[2:]); err != nil {
		report("failed", map[string]any{"error": err.Error()})
		os.Exit(1)
	}
}

var reporting sync.Mutex

// report prints one line: {"event": …, …fields}.
func report(event string, fields map[string]any) {
	line := map[string]any{"event": event}
	for name, value := range fields {
		line[name] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	reporting.Lock()
	defer reporting.Unlock()
	fmt.Println(string(text))
}
