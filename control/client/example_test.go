package client_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"nix2gpu/control"
	"nix2gpu/control/client"
)

// stub stands for a supervisor, which answers what is given for a path.
func stub(answers map[string]string) (socket string, end func()) {
	dir, err := os.MkdirTemp("", "n2g")
	if err != nil {
		panic(err)
	}
	socket = filepath.Join(dir, "control.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		panic(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, answers[r.URL.Path])
	})}
	go srv.Serve(l)
	return socket, func() { srv.Close(); os.RemoveAll(dir) }
}

func ExampleClient_Health() {
	socket, end := stub(map[string]string{"/v1/health": `{"healthy":false,"unhealthy":[{"id":"web","label":"web","state":"failed","why":"exit code 1"}]}`})
	defer end()

	health, err := client.New(socket).Health(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, svc := range health.Unhealthy {
		fmt.Printf("%s is %s: %s\n", svc.Label, svc.State, svc.Why)
	}
	// Output: web is failed: exit code 1
}

func ExampleClient_Logs() {
	socket, end := stub(map[string]string{"/v1/logs": `{"service":"web","stream":"stdout","message":"hello"}`})
	defer end()

	query := client.LogQuery{Services: []string{"web"}, Grep: "hello"}
	err := client.New(socket).Logs(context.Background(), query, func(l control.LogLine) error {
		fmt.Printf("[%s] %s\n", l.Service, l.Message)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: [web] hello
}

func ExampleClient_EventsAfter() {
	socket, end := stub(map[string]string{"/v1/events": `{"id":"b-8","event":{"seq":8,"from":"starting","service":{"id":"web","label":"web","state":"running"}}}
{"end":{"code":0,"reason":"requested"}}`})
	defer end()

	last := "b-7" // the id of the last message that was read before
	err := client.New(socket).EventsAfter(context.Background(), last, func(m control.Message) error {
		switch {
		case m.Event != nil:
			last = m.ID
			fmt.Printf("%s: %s -> %s\n", m.Event.Service.Label, m.Event.From, m.Event.Service.State)
		case m.End != nil:
			fmt.Println("the end:", m.End.Reason)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// web: starting -> running
	// the end: requested
}
