package provision

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// Stdio is where a task writes: into the log of the service. A task that succeeds
// prints nothing of its own, only what the user's scripts print.
type Stdio struct {
	Out io.Writer
	Err io.Writer
}

// usage is printed for wrong arguments, which only our own code could give.
const usage = `nix2gpu provision postgresql init  --bin DIR --data DIR [...]
       nix2gpu provision postgresql setup --bin DIR --data DIR --socket DIR --port N [...]
       nix2gpu provision postgresql test  --server PATH --data DIR --conf DIR
       nix2gpu provision mysql init  --bin DIR --data DIR
       nix2gpu provision mysql setup --bin DIR --data DIR --socket PATH --spec FILE
       nix2gpu provision redis cluster --replicas N --node HOST:PORT@PORT...
       nix2gpu provision etcd init --data DIR
       nix2gpu provision acme init --dir DIR --names NAME,NAME...
       nix2gpu provision acme get  --dir DIR --names NAME,NAME... --root DIR... --server URL --email ADDRESS [--ca FILE] --pid FILE --config FILE --signal N
       nix2gpu provision rabbitmq test --server PATH --conf FILE [--advanced FILE]
       nix2gpu provision tailscale daemon --socket PATH --program PATH --state DIR --volume DIR --fallback DIR [--proxy ADDRESS]
       nix2gpu provision tailscale join   --socket PATH --program PATH --hostname NAME [--tag TAG]... --key FILE --key-from OPTION
       nix2gpu provision apt PACKAGE...`

// Main runs the task that args name, such as "postgresql", "init", and flags. The
// error is a [*LastingError] if it is no use to try again.
func Main(ctx context.Context, args []string, stdio Stdio) error {
	if stdio.Out == nil {
		stdio.Out = os.Stdout
	}
	if stdio.Err == nil {
		stdio.Err = os.Stderr
	}
	kind := strings.Join(args[:min(2, len(args))], " ")
	switch {
	case kind == "postgresql init":
		var o initOptions
		if err := parse(o.flags(), args[2:]); err != nil {
			return err
		}
		return initPostgres(ctx, o)
	case kind == "postgresql setup":
		var o setupOptions
		if err := parse(o.flags(), args[2:]); err != nil {
			return err
		}
		return setupPostgres(ctx, o, stdio)
	case kind == "postgresql test":
		var o trialOptions
		if err := parse(o.flags(), args[2:]); err != nil {
			return err
		}
		return testPostgres(ctx, o)
	case kind == "mysql init":
		var o mysqlOptions
		if err := parse(o.flags("init"), args[2:]); err != nil {
			return err
		}
		return initMySQL(ctx, o, stdio)
	case kind == "mysql setup":
		var o mysqlOptions
		if err := parse(o.flags("setup"), args[2:]); err != nil {
			return err
		}
		return setupMySQL(ctx, o, stdio)
	case kind == "redis cluster":
		var o redisOptions
		if err := parse(o.flags(), args[2:]); err != nil {
			return err
		}
		return makeRedisCluster(ctx, o)
	case kind == "etcd init":
		var o etcdOptions
		if err := parse(o.flags(), args[2:]); err != nil {
			return err
		}
		return initEtcd(o)
	case kind == "acme init", kind == "acme get":
		var o acmeOptions
		if err := parse(o.flags(args[1]), args[2:]); err != nil {
			return err
		}
		if args[1] == "init" {
			return initACME(o)
		}
		return getCertificates(ctx, o, stdio)
	case kind == "rabbitmq test":
		var o rabbitmqOptions
		if err := parse(o.flags(), args[2:]); err != nil {
			return err
		}
		return testRabbitMQ(ctx, o)
	case kind == "tailscale daemon", kind == "tailscale join":
		var o tailscaleOptions
		if err := parse(o.flags(args[1]), args[2:]); err != nil {
			return err
		}
		if args[1] == "daemon" {
			return becomeTailscaled(o, stdio)
		}
		return joinTailnet(ctx, o, stdio)
	case len(args) > 1 && args[0] == "apt":
		return Install(ctx, args[1:], stdio, nil)
	}
	return fmt.Errorf("provision: unknown task %q\nusage: %s", kind, usage)
}

func parse(flags *flag.FlagSet, args []string) error {
	flags.SetOutput(io.Discard) // the error says it all
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("provision: %v\nusage: %s", err, usage)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("provision: unexpected argument %q\nusage: %s", flags.Arg(0), usage)
	}
	return nil
}

// words is a flag that may be repeated.
type words []string

func (w *words) String() string     { return strings.Join(*w, " ") }
func (w *words) Set(s string) error { *w = append(*w, s); return nil }
