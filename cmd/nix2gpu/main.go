// Command nix2gpu runs the services of a container definition written in Nix.
package main

//go:generate go test . -run "^TestImageOptions$" -update

import (
	"context"
	"os"

	"nix2gpu/internal/cli"
)

func main() {
	ctx, stop := cli.Interruptible(context.Background())
	code := cli.Main(ctx, cli.OSEnv())
	stop()
	os.Exit(code) // the only os.Exit in the program
}
