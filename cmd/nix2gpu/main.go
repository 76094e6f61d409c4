// Command nix2gpu runs the services of a container definition written in Nix.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"nix2gpu/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := cli.Main(ctx, cli.OSEnv())
	stop()
	os.Exit(code) // the only os.Exit in the program
}
