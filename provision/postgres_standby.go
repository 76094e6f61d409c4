package provision

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// standbySignal is the file that makes a server follow another one. The server removes it
// when it is promoted.
const standbySignal = "standby.signal"

// copyPrimary fills a data folder with a copy of another server's, which runs.
func copyPrimary(ctx context.Context, o initOptions, build string) error {
	env := withoutPG(os.Environ())
	if password := os.Getenv("PGPASSWORD"); password != "" {
		env = append(env, "PGPASSWORD="+password)
	}
	if err := reachPrimary(ctx, o); err != nil {
		return err
	}
	args := []string{"--pgdata=" + build, "--host=" + o.primaryHost, "--port=" + strconv.Itoa(o.primaryPort), "--username=" + o.primaryUser,
		"--wal-method=stream", "--checkpoint=fast", "--no-sync", "--no-password"}
	if o.slot != "" {
		args = append(args, "--slot="+o.slot)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(o.bin, "pg_basebackup"), args...)
	cmd.Env = env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("postgresql: pg_basebackup: %v\n%s\nhint: the log of the server at %s:%d says more", err, strings.TrimSpace(out.String()), o.primaryHost, o.primaryPort)
	}
	if err := os.WriteFile(filepath.Join(build, standbySignal), nil, 0o600); err != nil {
		return fmt.Errorf("postgresql: %v", err)
	}
	return nil
}

// reachPrimary waits until the other server admits us, and makes the slot there.
func reachPrimary(ctx context.Context, o initOptions) error {
	cfg, err := primaryConfig(o)
	if err != nil {
		return err
	}
	conn, err := connectPatiently(ctx, cfg)
	if err != nil {
		return fmt.Errorf("postgresql: cannot connect to %s:%d as %q for a copy: %v\nhint: depends_on that server; its user needs the clause replication, and a line \"host replication …\" in its authentication",
			o.primaryHost, o.primaryPort, o.primaryUser, err)
	}
	if o.slot == "" {
		return conn.Close(ctx)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "CREATE_REPLICATION_SLOT "+quote(o.slot)+" PHYSICAL").ReadAll()
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42710" { // it is there
		return nil
	}
	if err != nil {
		return fmt.Errorf("postgresql: cannot make the slot %q: %v", o.slot, err)
	}
	return nil
}

// primaryConfig says how the other server is asked.
func primaryConfig(o initOptions) (*pgconn.Config, error) {
	password := os.Getenv("PGPASSWORD")
	dropPG()
	value := strings.NewReplacer(`\`, `\\`, "'", `\'`)
	cfg, err := pgconn.ParseConfig(fmt.Sprintf("host='%s' port=%d user='%s' sslmode=prefer passfile=/dev/null servicefile=/dev/null",
		value.Replace(o.primaryHost), o.primaryPort, value.Replace(o.primaryUser)))
	if err != nil {
		return nil, fmt.Errorf("postgresql: %v", err)
	}
	cfg.Password = password
	cfg.RuntimeParams["replication"] = "true"
	return cfg, nil
}

// checkStandby refuses to follow another server with data that are no copy of its: they
// would go their own way.
func checkStandby(ctx context.Context, o initOptions) error {
	if o.primaryHost == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(o.data, standbySignal)); !errors.Is(err, fs.ErrNotExist) {
		return checkPrimary(ctx, o)
	}
	return lasting(fmt.Errorf("postgresql: data folder %q is that of a server of its own, and no copy of %s:%d: it was made without standbyOf, or has been promoted\n"+
		"hint: remove standbyOf, or set dataDir to an empty folder for a new copy", o.data, o.primaryHost, o.primaryPort))
}

// checkPrimary refuses to follow a server of which the data are no copy, as when standbyOf
// names another one than before. A server that can't be asked now is no reason to wait: a
// standby serves its readers without it.
func checkPrimary(ctx context.Context, o initOptions) error {
	cfg, err := primaryConfig(o)
	if err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := pgconn.ConnectConfig(asking, cfg)
	if err != nil {
		return nil
	}
	defer conn.Close(context.WithoutCancel(ctx))
	results, err := conn.Exec(asking, "IDENTIFY_SYSTEM").ReadAll()
	if err != nil || len(results) == 0 || len(results[0].Rows) == 0 || len(results[0].Rows[0]) == 0 {
		return nil
	}
	theirs := string(results[0].Rows[0][0])
	ours, err := systemIdentifier(o.data)
	if err != nil || ours == theirs {
		return err
	}
	return lasting(fmt.Errorf("postgresql: data folder %q is a copy of another server than %s:%d: its system identifier is %s, and that one has %s\n"+
		"hint: let standbyOf name the server that it was copied from, or set dataDir to an empty folder for a new copy", o.data, o.primaryHost, o.primaryPort, ours, theirs))
}

// systemIdentifier returns the number that a server and its copies have in common. It is
// what a control file begins with, in the order of the machine's bytes (PostgreSQL's
// src/include/catalog/pg_control.h).
func systemIdentifier(data string) (string, error) {
	f, err := os.Open(filepath.Join(data, "global", "pg_control"))
	if err != nil {
		return "", fmt.Errorf("postgresql: %v", err)
	}
	defer f.Close()
	var id [8]byte
	if _, err := io.ReadFull(f, id[:]); err != nil {
		return "", fmt.Errorf("postgresql: %s: %v", f.Name(), err)
	}
	return strconv.FormatUint(binary.NativeEndian.Uint64(id[:]), 10), nil
}

// promote makes a server that follows another one a server of its own.
func (s *setup) promote(ctx context.Context) error {
	rows, err := s.column(ctx, "SELECT pg_promote(true, 300)::text")
	if err != nil {
		return err
	}
	if len(rows) != 1 || rows[0] != "true" {
		return errors.New("postgresql: the server followed another one, and could not be promoted in 5 minutes\nhint: its own lines in the log say why")
	}
	return nil
}
