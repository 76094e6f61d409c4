// Command app is a service of tests: it says whether it finds the secrets that it
// is told of, by their digests, so that its arguments hold none.
//
//	env:NAME=DIGEST        a variable
//	named:NAME=DIGEST      the file that a variable names; MODE:UID of it follows
//	file:PATH=DIGEST       a file
//	credential:NAME=DIGEST a file in $CREDENTIALS_DIRECTORY
//	none:NAME              there is no such variable
//	closed:PATTERN         nothing that matches can be read; + is a star, for which a shell would be needed
//	environ                the environment is printed
//	arguments              those of all processes are printed
//	touch:PATH             the file is made
//	stay                   goes on until it is told to stop
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	for _, arg := range os.Args[1:] {
		kind, rest, _ := strings.Cut(arg, ":")
		name, want, _ := strings.Cut(rest, "=")
		switch kind {
		case "env":
			compare(arg, []byte(os.Getenv(name)), want)
		case "named":
			read(arg, os.Getenv(name), want)
			info, err := os.Stat(os.Getenv(name))
			if err != nil {
				fmt.Println(name, err)
				continue
			}
			fmt.Printf("%s has mode %o of user %d\n", name, info.Mode().Perm(), info.Sys().(*syscall.Stat_t).Uid)
		case "file":
			read(arg, name, want)
		case "credential":
			read(arg, filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), name), want)
		case "none":
			if value, ok := os.LookupEnv(name); ok {
				fmt.Printf("WRONG %s is %d bytes\n", name, len(value))
			}
		case "closed":
			found, _ := filepath.Glob(strings.ReplaceAll(name, "+", "*"))
			for _, path := range found {
				if _, err := os.ReadFile(path); err == nil {
					fmt.Println("WRONG", path, "can be read")
				}
			}
		case "environ":
			fmt.Println(strings.Join(os.Environ(), "\n"))
		case "arguments":
			found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, path := range found {
				data, _ := os.ReadFile(path) // one that has ended has none
				fmt.Println(strings.ReplaceAll(string(data), "\x00", " "))
			}
		case "touch":
			if err := os.WriteFile(name, nil, 0o644); err != nil {
				fmt.Println("WRONG", err)
			}
		case "stay":
			fmt.Println("all was looked at")
			end := make(chan os.Signal, 1)
			signal.Notify(end, syscall.SIGTERM)
			<-end
		default:
			fmt.Println("WRONG what is", arg)
		}
	}
}

func read(arg, path, want string) {
	data, err := os.ReadFile(path)
	if err != nil {
		fmt.Println("WRONG", arg, err)
		return
	}
	compare(arg, data, want)
}

func compare(arg string, data []byte, want string) {
	sum := sha256.Sum256([]byte(strings.TrimRight(string(data), "\n")))
	if hex.EncodeToString(sum[:8]) != want {
		fmt.Printf("WRONG %s has %d bytes\n", arg, len(data))
		return
	}
	fmt.Println("ok", arg)
}
