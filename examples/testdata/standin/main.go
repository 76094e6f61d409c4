// Standin is every program that the tests of the page's images have no real one
// of: those of vendors, and those that a reader of the page would have written.
// It does what its name says, as far as the definition can tell: jobs end, servers
// listen where they are told to and answer until they are told to end.
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
)

func main() {
	name := filepath.Base(os.Args[0])
	fmt.Println(name, "stands in:", os.Args[1:])
	if slices.Contains(os.Args[1:], "--version") {
		return
	}
	switch name {
	case "run-migrations", "nvidia-smi", "kafka-storage.sh", "clickhouse-client":
		return
	case "kafka-server-start.sh":
		serve("9092", kafka)
	case "grafana":
		serve("3000", web)
	case "clickhouse-server":
		serve("8123", web)
		serve("9000", web)
	case "jaeger-all-in-one":
		serve("16686", web)
		serve("14269", web)
	}
	if i := slices.Index(os.Args, "--port"); i > 0 && i+1 < len(os.Args) {
		serve(os.Args[i+1], web)
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	<-end
}

func serve(port string, answer func(net.Listener)) {
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go answer(l)
}

func web(l net.Listener) {
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "Ok.") }))
}

// kafka answers every request with its number, and that there is one broker.
func kafka(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for {
				var size uint32
				if binary.Read(c, binary.BigEndian, &size) != nil || size < 8 || size > 1<<20 {
					return
				}
				request := make([]byte, size)
				if _, err := io.ReadFull(c, request); err != nil {
					return
				}
				answer := append([]byte{0, 0, 0, 8}, request[4:8]...)
				if _, err := c.Write(append(answer, 0, 0, 0, 1)); err != nil {
					return
				}
			}
		}()
	}
}
