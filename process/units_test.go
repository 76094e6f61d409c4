package process

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

func TestParseStat(t *testing.T) {
	const rest = ") S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 12345"
	for stat, want := range map[string]Info{
		"42 (sh" + rest:                        {PID: 42, PPID: 1, PGID: 2, SID: 3, Start: 12345, State: 'S', Name: "sh"},
		"42 (a) (b) " + rest + " 20 21":        {PID: 42, PPID: 1, PGID: 2, SID: 3, Start: 12345, State: 'S', Name: "a) (b) "},
		"7 (" + rest:                           {PID: 7, PPID: 1, PGID: 2, SID: 3, Start: 12345, State: 'S'},
		"":                                     {},
		"(x" + rest:                            {},
		"42 x":                                 {},
		"42 )(" + rest[1:]:                     {},
		"y (x" + rest:                          {},
		"42 (sh" + rest[:len(rest)-6]:          {}, // without the start
		"42 (sh" + rest[:len(rest)-5] + "soon": {},
		"42 (sh) SS" + rest[3:]:                {},
		"42 (sh) S x" + rest[5:]:               {},
		"42 (sh) S 1 x" + rest[7:]:             {},
		"42 (sh) S 1 2 x" + rest[9:]:           {},
	} {
		got, ok := parseStat([]byte(stat))
		if ok != (want != Info{}) || ok && got != want {
			t.Errorf("parseStat(%q) = %+v, %t, want %+v", stat, got, ok, want)
		}
	}
}

func TestCookieIn(t *testing.T) {
	for env, want := range map[string]string{
		"":                                      "",
		"A=1\x00" + CookieVar + "=x/y#1\x00B=2": "x/y#1",
		CookieVar + "=x":                        "x",
		"X" + CookieVar + "=x\x00":              "",
		CookieVar + "\x00A=" + CookieVar + "=z": "",
		"\x00\x00" + CookieVar + "=\x00":        "",
	} {
		if got := cookieIn([]byte(env)); got != want {
			t.Errorf("cookieIn(%q) = %q, want %q", env, got, want)
		}
	}
}

func TestCookieName(t *testing.T) {
	for name, want := range map[string]string{
		"web": "web", "a b\n\x7f\x00é": "a_b____", "!~": "!~", strings.Repeat("x", 300): strings.Repeat("x", 200), "": "",
	} {
		if got := cookieName(name); got != want {
			t.Errorf("cookieName(%q) = %q, want %q", name, got, want)
		}
	}
}

// TestLedger reads its own lines, and nothing that could name a stranger.
func TestLedger(t *testing.T) {
	rec := record{2, 12345, 64, "run/web#1", [2]uint64{7, 0}, 1<<40 + 5}
	l := make(ledger)
	if !l.add(rec.line()) || l[2] != rec || len(l) != 1 {
		t.Errorf("%q gives %+v", rec.line(), l)
	}
	for _, line := range []string{
		"+ 1 5 15 x 0 0 0\n", "+ 0 5 15 x 0 0 0\n", "+ -1 5 15 x 0 0 0\n", "+ 3 -5 15 x 0 0 0\n", "+ 3 5 0 x 0 0 0\n", "+ 3 5 65 x 0 0 0\n",
		"+ 3 5 15 x 0 0\n", "+ 3 5 15 x 0 0 0 0\n", "+ 3 5 15 x -1 0 0\n", "+ 3 5 15 x 0 y 0\n", "+ 3 5 15 x 0 0 -1\n", "* 3 5 15 x 0 0 0\n", "- x\n", "+ 3\n", "- 3 4\n", "\n",
	} {
		if l.add(line) || len(l) != 1 {
			t.Errorf("%q is taken for a record: %+v", line, l)
		}
	}
	if !l.add("+ 3 5 1 x 0 0 0\n") || !l.add("- 2\n") || !l.add("- 99\n") || fmt.Sprint(l) != fmt.Sprint(ledger{3: {3, 5, project.SIGHUP, "x", [2]uint64{}, 0}}) {
		t.Errorf("left: %+v", l)
	}
}

// TestListOfTheGuard: what has ended makes room, and nothing else is read from
// the list than what was put there whole.
func TestListOfTheGuard(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "list"))
	if err != nil {
		t.Fatal(err)
	}
	g := &guardLink{list: file, at: make(map[int]int64)}
	read := func() string {
		list, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		live, abandoned := readListed(list)
		if len(abandoned) > 0 {
			return fmt.Sprint(live, abandoned)
		}
		return fmt.Sprint(live)
	}
	want := func(recs ...record) string {
		live := make(ledger)
		for _, rec := range recs {
			live[rec.pid] = rec
		}
		return fmt.Sprint(live)
	}
	web, db, job := record{pid: 2, start: 1 << 40, signal: 15}, record{pid: 3, start: 7, signal: 64}, record{pid: 1 << 22, start: 9, signal: 1}
	g.started(web)
	g.started(db)
	if got := read(); got != want(web, db) {
		t.Errorf("after two starts: %s", got)
	}
	g.ended(web.pid)
	g.ended(99)
	if got := read(); got != want(db) {
		t.Errorf("after an end: %s", got)
	}
	g.started(job)
	g.started(web)
	if got := read(); got != want(db, job, web) {
		t.Errorf("after two more starts: %s", got)
	}
	if info, err := file.Stat(); err != nil || info.Size() != 3*listed {
		t.Errorf("the list has %d bytes (%v), want three places", info.Size(), err)
	}
	g.abandoned(Info{PID: web.pid, Start: web.start})
	g.abandoned(Info{PID: 17, Start: 70})
	if got, wanted := read(), want(db, job)+" map[2:1099511627776 17:70]"; got != wanted {
		t.Errorf("two are abandoned: %s, want %s", got, wanted)
	}
	again := record{pid: 17, start: 71, signal: 15} // its number is given to another
	g.started(again)
	g.ended(web.pid)
	if got := read(); got != want(db, job, again) {
		t.Errorf("when one has ended, and the number of the other is a service's: %s", got)
	}
	if info, err := file.Stat(); err != nil || info.Size() != 4*listed {
		t.Errorf("the list has %d bytes (%v), want four places", info.Size(), err)
	}
	for _, bad := range []record{{pid: 1, start: 5, signal: 15}, {pid: 7, start: 5, signal: 65}, {pid: 7, start: 5}} {
		if got, abandoned := readListed(bad.listed()); len(got) > 0 || len(abandoned) > 0 {
			t.Errorf("%+v is taken for a process", bad)
		}
	}
	if got, _ := readListed(db.listed()[:listed-1]); len(got) > 0 {
		t.Errorf("a torn record is taken for %+v", got)
	}
}

func TestListenerIn(t *testing.T) {
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	const table = head +
		"   0: 0100007F:1F90 00000000:0000 01 00000000:00000000 00:00000000 00000000  1000        0 111 1\n" + // not listening
		"   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 222 1\n" +
		"   2: 00000000:XYZ 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0        0 333 1\n" +
		"   3: 00000000:0050 00000000:0000 0A 0 0 0 0\n" +
		"   4: 0300007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  7        0 444 1\n" +
		"   5: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0        0 555 1\n" +
		"   6: 00000000000000000000000000000000:1F92 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  0        0 666 1\n"
	for _, tt := range []struct {
		port          int
		address, want string
	}{
		{8080, "", "222"}, {8080, "*", "222"}, {8080, "0.0.0.0", "222"}, {8080, "[::]", "222"}, {8080, "localhost", "222"}, {8080, "a.name", "222"},
		{8080, "127.0.0.3", "444"}, {8080, "::ffff:127.0.0.3", "444"}, {8080, "127.0.0.2", ""}, {8080, "::1", ""},
		{8081, "127.0.0.2", "555"}, {8081, "::1", ""}, {8082, "127.0.0.2", "666"}, {8082, "::1", "666"},
		{80, "", ""}, {8083, "", ""}, {0, "", ""},
	} {
		if inode, ok := listenerIn(table, tt.port, tt.address); inode != tt.want || ok != (tt.want != "") {
			t.Errorf("port %d at %q: got %q, %t, want %q", tt.port, tt.address, inode, ok, tt.want)
		}
	}
}

func TestInterpreterOf(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"":                            "",
		"plain":                       "",
		"#!/bin/sh\n":                 "",
		"#!/bin/sh":                   "",
		"#!/no/such -x\nmore":         "/no/such",
		"#! /no/such":                 "/no/such",
		"#!\n/no/such":                "",
		"#!/bin/sh\r\n":               "/bin/sh followed by a carriage return",
		"#!\r\n":                      "",
		"\x7fELF":                     "",
		"#!/bin/sh\n#!/no/such\n\r\n": "",
	} {
		path := filepath.Join(dir, "p")
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		if got := interpreterOf(path); got != want {
			t.Errorf("interpreterOf(%q) = %q, want %q", text, got, want)
		}
	}
	if got := interpreterOf(filepath.Join(dir, "none")); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

func TestCapMask(t *testing.T) {
	for text, want := range map[string]uint64{
		"": 0, "chown": 1, "CAP_CHOWN": 1, "net_bind_service": 1 << 10, "chown checkpoint_restore": 1 | 1<<40, "chown chown": 1,
	} {
		if got, err := capMask(strings.Fields(text)); err != nil || got != want {
			t.Errorf("capMask(%q) = %#x, %v, want %#x", text, got, err, want)
		}
	}
	if _, err := capMask([]string{"chown", "fly"}); err == nil || err.Error() != `unknown capability "fly"` {
		t.Errorf("got %v", err)
	}
}

// TestTableBelow takes everything below a process, once, also in a circle,
// which a table that was read while pids were given anew can have.
func TestTableBelow(t *testing.T) {
	table := &table{byPID: map[int]Info{}, children: map[int][]int{}}
	for pid, parent := range map[int]int{2: 1, 3: 2, 4: 3, 5: 2, 9: 1, 6: 7, 7: 6} {
		table.byPID[pid] = Info{PID: pid, PPID: parent}
		table.children[parent] = append(table.children[parent], pid)
	}
	for root, want := range map[int]string{2: "2 3 4 5", 4: "4", 6: "6 7", 1: "", 99: ""} {
		set := map[int]Info{}
		table.below(root, set)
		var got []string
		for pid := range 10 {
			if _, ok := set[pid]; ok {
				got = append(got, fmt.Sprint(pid))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("below %d: %v, want %s", root, got, want)
		}
	}
}

// A limit that the kernel does not take is told; the group is made all the same.
func TestLimitsOfCgroupsV1(t *testing.T) {
	for file, kept := range map[string]bool{"pids.max": true, "memory.limit_in_bytes": false} {
		own := t.TempDir()
		if err := os.MkdirAll(filepath.Join(own, "group", file), 0o755); err != nil { // no file can be written there
			t.Fatal(err)
		}
		c := &cgroups{v1: map[string]string{"memory": own}}
		g, err := c.makeV1("group", Limits{Memory: 1 << 20})
		if g == nil || len(g.dirs) != 1 || (err == nil) != kept {
			t.Errorf("%s: %+v, %v; want it kept: %v", file, g, err, kept)
		}
		limit := filepath.Join(own, "group", "memory.limit_in_bytes")
		os.Chmod(limit, 0o600) // the kernel makes the real ones
		if text, _ := os.ReadFile(limit); kept && string(text) != "1048576" {
			t.Errorf("the limit is %q", text)
		}
	}
	g, err := (&cgroups{}).makeV1("group", Limits{Pids: 1, CPUs: 1})
	if g != nil || err == nil || !strings.Contains(err.Error(), "no cpu cgroup") || !strings.Contains(err.Error(), "no pids cgroup") {
		t.Errorf("without controllers: %+v, %v", g, err)
	}
}

// The names of limits and capabilities stand at the kernel's numbers.
func TestNamesAreTheKernels(t *testing.T) {
	for name, number := range map[string]int{"cpu": unix.RLIMIT_CPU, "fsize": unix.RLIMIT_FSIZE, "data": unix.RLIMIT_DATA, "stack": unix.RLIMIT_STACK,
		"core": unix.RLIMIT_CORE, "rss": unix.RLIMIT_RSS, "nproc": unix.RLIMIT_NPROC, "nofile": unix.RLIMIT_NOFILE, "memlock": unix.RLIMIT_MEMLOCK,
		"as": unix.RLIMIT_AS, "locks": unix.RLIMIT_LOCKS, "sigpending": unix.RLIMIT_SIGPENDING, "msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE,
		"rtprio": unix.RLIMIT_RTPRIO, "rttime": unix.RLIMIT_RTTIME} {
		if got := slices.Index(project.RlimitNames(), name); got != number {
			t.Errorf("limit %s has number %d, want %d", name, got, number)
		}
	}
	for name, number := range map[string]int{"chown": unix.CAP_CHOWN, "net_bind_service": unix.CAP_NET_BIND_SERVICE, "sys_admin": unix.CAP_SYS_ADMIN,
		"syslog": unix.CAP_SYSLOG, "checkpoint_restore": unix.CAP_CHECKPOINT_RESTORE} {
		if got := slices.Index(project.CapabilityNames(), name); got != number {
			t.Errorf("capability %s has number %d, want %d", name, got, number)
		}
	}
}
