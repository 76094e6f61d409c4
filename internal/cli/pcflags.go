package cli

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// short is the one-letter form of a flag of ours, which flags of every verb may have taken
// under the name process-compose.
func (e *Env) short(letter string) string {
	if e.asProcessCompose && strings.Contains("apuUL", letter) {
		return ""
	}
	return letter
}

// Why flags of process-compose have no effect.
const (
	noTUI   = "there is no terminal interface; \"top\" and \"logs -f\" show what happens"
	ownLog  = "the supervisor's own log is supervisor.log in the state folder, without colours"
	ordered = "services always stop in the reverse order of their dependencies"
	whole   = "usage is always that of all processes of a service"
)

// A pcFlag is a flag of process-compose that changes nothing here.
type pcFlag struct {
	name, short string
	bool        bool
	why         string
	so          string // the value that asks for what is so anyway
	variable    string // that says the same, for verbs that start a project
}

// pcTUIFlags are about the terminal interface. Verbs that start a project and "attach"
// have them.
func pcTUIFlags() []pcFlag {
	return []pcFlag{
		{name: "ref-rate", short: "r", why: noTUI},
		{name: "reverse", short: "R", bool: true, why: noTUI, so: "false"},
		{name: "sort", short: "S", why: noTUI},
		{name: "theme", why: noTUI},
	}
}

// pcUpFlags are those of verbs that start a project.
func pcUpFlags() []pcFlag {
	return append(pcTUIFlags(),
		pcFlag{name: "tui", short: "t", bool: true, why: noTUI, so: "false"},
		pcFlag{name: "tui-fs", bool: true, why: noTUI, so: "false", variable: "PC_TUI_FULL_SCREEN"},
		pcFlag{name: "slow-ref-rate", why: noTUI},
		pcFlag{name: "shortcuts", why: noTUI, variable: "PC_SHORTCUTS_FILES"},
		pcFlag{name: "hide-disabled", short: "d", bool: true, why: noTUI, so: "false", variable: "PC_HIDE_DISABLED_PROC"},
		pcFlag{name: "recursive-metrics", bool: true, why: whole, so: "true"},
	)
}

// pcGlobalFlags are those of every verb.
func pcGlobalFlags() []pcFlag {
	return []pcFlag{
		{name: "log-file", short: "L", why: ownLog, variable: "PC_LOG_FILE"},
		{name: "log-no-color", bool: true, why: ownLog, so: "true"},
		{name: "ordered-shutdown", bool: true, why: ordered, so: "true"},
		{name: "read-only", bool: true, why: noTUI, so: "false", variable: "PC_READ_ONLY"},
	}
}

// acceptFlags adds flags that change nothing.
func acceptFlags(cmd *cobra.Command, persistent bool, flags []pcFlag) {
	f := cmd.Flags()
	if persistent {
		f = cmd.PersistentFlags()
	}
	for _, flag := range flags {
		if flag.bool {
			f.BoolP(flag.name, flag.short, flag.so == "true", "")
		} else {
			f.StringArrayP(flag.name, flag.short, nil, "")
		}
		f.MarkHidden(flag.name)
	}
}

// pcGlobals are the flags of every verb of process-compose that say which project is meant.
type pcGlobals struct {
	env       *Env
	address   string
	port      int
	uds       bool
	noServer  bool
	tokenFile string

	vain map[string][]string // by the reason: flags and variables without an effect
}

const (
	pcDefaultAddress = "localhost"
	pcDefaultPort    = 8080
)

func (g *pcGlobals) addFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVarP(&g.address, "address", "a", "", "`address` of the project that is asked, or at which \"up\" listens, beside --port")
	f.IntVarP(&g.port, "port", "p", 0, "`port` of the project that is asked, or at which \"up\" listens, instead of the control socket")
	f.BoolVarP(&g.uds, "use-uds", "U", false, "use the control socket, whatever --port says; it is the default")
	f.StringVarP(&g.env.socket, "unix-socket", "u", "", "`path` of the control socket, instead of the project's own")
	f.StringVar(&g.tokenFile, "token-file", "", "`file` with the token for --port")
	f.StringVar(&g.env.remote.caFile, "ca-file", "", "`file` with the certificates for an https address")
	f.BoolVar(&g.noServer, "no-server", false, "do not listen on a port, whatever PC_PORT_NUM says")
	acceptFlags(root, true, pcGlobalFlags())
}

// inVain notes something without an effect, for say.
func (g *pcGlobals) inVain(why, what string) {
	if g.vain == nil {
		g.vain = map[string][]string{}
	}
	g.vain[why] = append(g.vain[why], what)
}

// say prints once what has no effect, and why.
func (g *pcGlobals) say() {
	for _, why := range []string{noTUI, ownLog, ordered, whole, noPort, socketAsked} {
		what := g.vain[why]
		if len(what) == 0 {
			continue
		}
		verb := "have"
		if len(what) == 1 {
			verb = "has"
		}
		last := len(what) - 1
		fmt.Fprintf(g.env.Stderr, "note: %s %s no effect: %s\n", strings.TrimPrefix(strings.Join(what[:last], ", ")+" and "+what[last], " and "), verb, why)
	}
}

const (
	noPort      = "no port is open; --port opens one"
	socketAsked = "the control socket is used"
)

// read takes what flags and variables say. It is called before each verb.
func (g *pcGlobals) read(cmd *cobra.Command) error {
	starts := cmd.Annotations[startsKey] != ""
	for _, flag := range append(pcUpFlags(), append(pcGlobalFlags(), pcFlag{name: "log-length", why: noTUI})...) {
		if f := cmd.Flags().Lookup(flag.name); f != nil && f.Hidden && f.Changed && (flag.so == "" || f.Value.String() != flag.so) {
			g.inVain(flag.why, "--"+flag.name)
		} else if _, set := g.env.LookupEnv(flag.variable); set && flag.variable != "" && starts {
			g.inVain(flag.why, flag.variable)
		}
	}
	if _, set := g.env.LookupEnv("PC_LOG_LEVEL"); set && starts {
		g.inVain(ownLog, "PC_LOG_LEVEL")
	}
	err := g.place(cmd, starts)
	g.say()
	return err
}

// startsKey is the annotation of verbs that start a project.
const startsKey = "starts"

// place decides which project is meant: by the socket, or over TCP.
func (g *pcGlobals) place(cmd *cobra.Command, starts bool) error {
	changed := func(name string) bool { return cmd.Flags().Changed(name) }
	env := g.env
	wants := func(flag, variable string) bool { return changed(flag) || env.Getenv(variable) != "" }
	if !wants("port", "PC_PORT_NUM") && !wants("address", "PC_ADDRESS") && (!changed("use-uds") || g.uds) {
		env.socket = cmp.Or(env.socket, env.Getenv("PC_SOCKET_PATH"))
		if starts {
			g.unused(noPort)
		}
		return nil
	}
	if g.uds || wants("unix-socket", "PC_SOCKET_PATH") || changed("socket") {
		env.socket = cmp.Or(env.socket, env.Getenv("PC_SOCKET_PATH"))
		for _, name := range []string{"port", "address"} {
			if changed(name) {
				g.inVain(socketAsked, "--"+name)
			}
		}
		return nil
	}
	if text := env.Getenv("PC_PORT_NUM"); text != "" && !changed("port") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return usageError("PC_PORT_NUM must be a port, not %q", text)
		}
		g.port = n
	} else if !changed("port") {
		g.port = pcDefaultPort
	}
	if g.port < 0 || g.port > 65535 || g.port == 0 && !starts {
		return usageError("--port must be from 1 to 65535, not %d", g.port)
	}
	g.address = cmp.Or(g.address, env.Getenv("PC_ADDRESS"), pcDefaultAddress)
	g.tokenFile = cmp.Or(g.tokenFile, env.Getenv("PC_API_TOKEN_PATH"))
	if starts {
		return nil
	}
	scheme, host, found := strings.Cut(g.address, "://")
	if !found {
		scheme, host = "", g.address
	}
	if cmd.Annotations[askingKey] == "" && !changed("port") && !changed("address") {
		return nil // the variables are not about this verb
	}
	r := &env.remote
	r.caFile = cmp.Or(r.caFile, env.Getenv(caFileVar))
	r.name, r.tokenFile, r.token = "--port", g.tokenFile, env.Getenv("PC_API_TOKEN")
	if !changed("port") && changed("address") {
		r.name = "--address"
	} else if !changed("port") && !changed("address") {
		r.name = "PC_PORT_NUM"
	}
	r.host = net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(g.port))
	if scheme != "" {
		r.host = scheme + "://" + r.host
	}
	return r.check(env, cmd)
}

// unused notes what is about a port that nobody listens on.
func (g *pcGlobals) unused(why string) {
	if g.tokenFile != "" {
		g.inVain(why, "--token-file")
	}
	for _, name := range []string{"PC_API_TOKEN", "PC_API_TOKEN_PATH"} {
		if g.env.Getenv(name) != "" {
			g.inVain(why, name)
		}
	}
}

// listens reports whether a verb that starts a project opens a port, and notes what has no
// effect if not.
func (g *pcGlobals) listens(o *upOptions) error {
	if g.port == 0 && g.address == "" {
		return nil
	}
	switch {
	case g.noServer:
		return nil
	case g.uds, g.env.socket != "":
		return nil
	case o.listen.Address != "":
		return hint(usageError("--listen and --port exclude each other"), "name one of them")
	}
	host := strings.Trim(g.address, "[]")
	if host == pcDefaultAddress {
		host = "127.0.0.1"
	}
	o.listen.Address = net.JoinHostPort(host, strconv.Itoa(g.port))
	o.listen.TokenFile, o.token = cmp.Or(o.listen.TokenFile, g.tokenFile), g.env.Getenv("PC_API_TOKEN")
	if o.token != "" {
		o.listen.TokenFile = ""
	}
	return nil
}

// marks adds the annotation to verbs that start a project.
func marksStart(cmds ...*cobra.Command) {
	for _, cmd := range cmds {
		if cmd.Annotations == nil {
			cmd.Annotations = map[string]string{}
		}
		cmd.Annotations[startsKey] = "yes"
	}
}

// askers marks the verbs that can ask over TCP, and those that can't.
func (g *pcGlobals) askers(root *cobra.Command) {
	here := []string{"attach", "info", "run", "send-keys"}
	for _, cmd := range root.Commands() {
		switch name := cmd.Name(); {
		case slices.Contains(here, name):
			asks(asksHere, cmd)
		case !slices.Contains([]string{"up", "check", "config", "version", "completion", "recipe", "help"}, name):
			asks(asksAnywhere, cmd)
		}
	}
}
