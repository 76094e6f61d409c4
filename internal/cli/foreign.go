package cli

import (
	"strconv"
	"strings"
)

// foreignVerb describes what does the work of a verb that other tools have; "" for
// any other word. name is the name that our program was called by.
func foreignVerb(verb, name string) string {
	use := func(what string) string { return "here it is \"" + name + " " + what + "\"" }
	switch verb {
	case "run", "start-all", "serve", "launch":
		return use("up [SERVICE]")
	case "attach", "fg":
		return use("up") + ", which follows what runs already; \"" + name + " logs -f SERVICE\" follows one"
	case "log", "journal", "tail", "journalctl":
		return use("logs")
	case "stats", "monitor", "htop":
		return use("top")
	case "stat", "inspect", "describe", "show", "info", "get":
		return use("status SERVICE")
	case "rm", "remove", "delete", "destroy", "quit", "exit", "shutdown":
		return use("down")
	case "pause", "unpause", "signal":
		return use("kill -s STOP SERVICE") + ", and -s CONT"
	case "validate", "lint", "verify", "test", "doctor":
		return use("check") + "; with --here it looks at this machine as well"
	case "reload", "update", "apply", "daemon-reload", "switch":
		return use("up -d") + ": it brings what runs to what the definition says now"
	case "ssh", "bash", "sh", "enter":
		return use("exec SERVICE COMMAND") + "; \"" + name + " shell\" is a shell in the image"
	case "init", "new", "create":
		return "no verb writes a definition: begin with a nix2gpu.nix as docs/tutorial/1-a-web-server.md has it; \"" + name + " options\" lists what it can say"
	case "images", "rmi":
		return use("image ls")
	case "pull", "fetch", "download":
		return use("lock") + ", which fetches what an image needs"
	case "port":
		return use("ports")
	case "watch":
		return use("ps -w")
	case "enable", "disable":
		return "a service is switched in its definition: services.TYPE.\"NAME\".enable = true;"
	}
	return ""
}

// alternatives lists words of which one may be meant: "start" or "status".
func alternatives(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = strconv.Quote(word)
	}
	if last := len(quoted) - 1; last > 0 {
		return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
	}
	return quoted[0]
}
