package probe_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
	"nix2gpu/probe"
	"nix2gpu/project"
)

// answer reads something, and says what a server would.
func answer(reply string) func(net.Conn) {
	return func(c net.Conn) {
		c.SetDeadline(time.Now().Add(testkit.Patience))
		c.Read(make([]byte, 1024))
		io.WriteString(c, reply)
		c.Read(make([]byte, 1)) // until the other side is done
	}
}

// greet says something at once.
func greet(text string) func(net.Conn) {
	return func(c net.Conn) {
		c.SetDeadline(time.Now().Add(testkit.Patience))
		io.WriteString(c, text)
		c.Read(make([]byte, 1))
	}
}

// answers replies to one question after the other.
func answers(replies ...string) func(net.Conn) {
	return func(c net.Conn) {
		c.SetDeadline(time.Now().Add(testkit.Patience))
		for _, reply := range replies {
			c.Read(make([]byte, 1024))
			io.WriteString(c, reply)
		}
		c.Read(make([]byte, 1))
	}
}

// kafkaAnswer is an answer to the question of the probe's.
func kafkaAnswer(body string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))) + "n2gp" + body
}

// pgError is PostgreSQL's message E.
func pgError(code, text string) string {
	body := "SFATAL\x00C" + code + "\x00M" + text + "\x00\x00"
	return "E" + string(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))) + body
}

func TestServerProtocols(t *testing.T) {
	for _, c := range []struct {
		protocol string
		talk     func(net.Conn)
		want     string
	}{
		{"postgresql", answer("R\x00\x00\x00\x08\x00\x00\x00\x05"), ""},
		{"postgresql", answer("R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I"), ""},
		{"postgresql", answer(pgError("57P03", "the database system is starting up")), "the database system is starting up"},
		{"postgresql", answer(pgError("28000", `role "postgres" does not exist`)), ""},
		{"postgresql", answer(pgError("3D000", `database "postgres" does not exist`)), ""},
		{"postgresql", answer(pgError("53300", "too many clients already")), ""},
		{"postgresql", answer("HTTP/1.1 400 Bad Request\r\n\r\n"), "not a PostgreSQL server"},
		{"postgresql", func(net.Conn) {}, "closed the connection"},
		{"redis", answer("+PONG\r\n"), ""},
		{"redis", answer("-NOAUTH Authentication required.\r\n"), ""},
		{"redis", answer("-LOADING Redis is loading the dataset in memory\r\n"), "LOADING"},
		{"redis", answer("HTTP/1.1 400\r\n"), "not a Redis server"},
		{"mysql", greet("\x4a\x00\x00\x00\x0a8.0.36\x00"), ""},
		{"mysql", greet("\x10\x00\x00\x00\xff\x10\x04Too many conn"), ""},
		{"mysql", greet("\x10\x00\x00\x00\xff\x69\x04Host is blocke"), "refuses"},
		{"mysql", greet("SSH-2.0-x\r\n"), "not a MySQL server"},
		{"memcached", answer("VERSION 1.6.18\r\n"), ""},
		{"zookeeper", answer("Zookeeper version: 3.8.0\nLatency"), ""},
		{"zookeeper", answer("This ZooKeeper instance is not currently serving requests\n"), "not currently serving"},
		{"nats", greet("INFO {\"server_id\":\"x\"}\r\n"), ""},
		{"kafka", answer("\x00\x00\x00\x06\x6e\x32\x67\x70\x00\x00"), "closed the connection"},
		{"kafka", answer("\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00"), "not a Kafka broker"},
		{"kafka", answers(kafkaAnswer(""), kafkaAnswer("\x00\x00\x00\x01")), ""},
		{"kafka", answers(kafkaAnswer(""), kafkaAnswer("\x00\x00\x00\x00\xff\xff\xff\xff")), "names no broker"},
		{"kafka", answers(kafkaAnswer(""), "HTTP/1.1 400\r\n"), "not a Kafka broker"},
		{"http", answer("HTTP/1.1 400 Bad Request\r\n"), ""},
		{"http", func(c net.Conn) { c.Read(make([]byte, 1024)) }, ""}, // it hangs up
		{"cassandra", answer("\x84\x00\x00\x01\x06\x00\x00\x00\x00"), ""},
		{"mongodb", answer("\x10\x00\x00\x00\x00\x00\x00\x00\x32\x6e\x00\x00\xdd\x07\x00\x00"), ""},
		{"mqtt", answer("\x20\x02\x00\x00"), ""},
		{"mqtt", answer("\x20\x02\x00\x03"), "unavailable"},
		{"fastcgi", answer("\x01\x0a\x00\x00\x00\x12\x06\x00"), ""},
		{"fastcgi", answer("HTTP/1.1 400\r\n"), "not a FastCGI server"},
		{"pgbouncer", answer("N"), ""},
		{"pgbouncer", answer("H"), "not PgBouncer"},
	} {
		t.Run(c.protocol+" "+c.want, func(t *testing.T) {
			p := &project.ServerCheck{Protocol: c.protocol, Port: serve(t, c.talk)}
			wantError(t, check(t, &project.Probe{Server: p}), c.want)
		})
	}
	for _, name := range probe.Protocols() {
		p := &project.ServerCheck{Protocol: name, Port: testkit.Port(t)}
		wantError(t, check(t, &project.Probe{Server: p}), "connection refused")
		p = &project.ServerCheck{Protocol: name, Port: serve(t, func(c net.Conn) { c.Write(make([]byte, 100)); io.Copy(io.Discard, c) })}
		if err := checkFor(t, brief, &project.Probe{Server: p}); (err == nil) != (name == "http") { // which takes any answer: there are several versions
			t.Errorf("%s: a server of zeros: %v", name, err)
		}
	}
}

// A web server hears no word, so that it logs none, and passes none on.
func TestWebServerHearsNothing(t *testing.T) {
	heard := make(chan string, 1)
	p := &project.ServerCheck{Protocol: "http", Port: serve(t, func(c net.Conn) {
		c.SetDeadline(time.Now().Add(testkit.Patience))
		words := make([]byte, 1024)
		n, err := c.Read(words)
		heard <- fmt.Sprintf("%q, %v", words[:n], err)
	})}
	wantError(t, check(t, &project.Probe{Server: p}), "")
	if words := <-heard; words != `"", EOF` {
		t.Errorf("it heard %s", words)
	}
}

// Nor does a real one log a request, or fetch a page for an error from another server.
func TestRealNginx(t *testing.T) {
	nginx := need(t, "nginx")
	dir, port := t.TempDir(), testkit.Port(t)
	behind, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	asked := make(chan struct{})
	go func() {
		if c, err := behind.Accept(); err == nil {
			c.Close()
			close(asked)
		}
	}()
	conf := fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log stderr; events {} http {
access_log %[1]s/access; client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
server { listen 127.0.0.1:%[2]d; error_page 400 /400; location / { proxy_pass http://%[3]s; } } }`, dir, port, behind.Addr())
	if err := os.WriteFile(dir+"/conf", []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	server(t, nginx, "-p", dir, "-c", dir+"/conf", "-e", "stderr")
	untilPasses(t, &project.Probe{Server: &project.ServerCheck{Protocol: "http", Port: port}})
	select {
	case <-asked:
		t.Error("a server behind it was asked")
	default:
	}
	if log, err := os.ReadFile(dir + "/access"); err != nil || len(log) > 0 {
		t.Errorf("it logged %q, %v", log, err)
	}
}

// A server that says nothing until the time is over has not answered, also where one that
// hangs up has.
func TestSilenceIsNoAnswer(t *testing.T) {
	silent := func(net.Conn) { <-t.Context().Done() }
	versions := func(c net.Conn) {
		c.Read(make([]byte, 1024))
		io.WriteString(c, kafkaAnswer(""))
		silent(c)
	}
	for name, c := range map[string]struct {
		protocol string
		talk     func(net.Conn)
	}{"http": {"http", silent}, "kafka": {"kafka", silent}, "kafka without brokers": {"kafka", versions}} {
		p := &project.ServerCheck{Protocol: c.protocol, Port: serve(t, c.talk)}
		if err := checkFor(t, brief, &project.Probe{Server: p}); err == nil {
			t.Errorf("%s: silence passed", name)
		}
	}
}

func TestServerOnASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "redis.sock")
	p := &project.Probe{Server: &project.ServerCheck{Protocol: "redis", Socket: project.Lit(path)}}
	wantError(t, check(t, p), "no such file or directory")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			answer("+PONG\r\n")(c)
			c.Close()
		}
	}()
	wantError(t, check(t, p), "")
}

// A broker that hangs up once merely stops, or is not ready yet; one that always does wants a password.
func TestKafkaHangsUp(t *testing.T) {
	for name, c := range map[string]struct{ hangs, fails int }{"once": {1, 2}, "always": {1000, 2}} {
		var asked atomic.Int32
		p := &project.Probe{Server: &project.ServerCheck{Protocol: "kafka", Port: serve(t, func(conn net.Conn) {
			defer conn.Close()
			brokers := "\x00\x00\x00\x00" // none yet
			switch n := int(asked.Add(1)); {
			case n <= c.hangs:
				conn.Read(make([]byte, 1024))
				io.WriteString(conn, kafkaAnswer(""))
				conn.Read(make([]byte, 1024))
				return
			case n > c.hangs+1:
				brokers = "\x00\x00\x00\x01"
			}
			answers(kafkaAnswer(""), kafkaAnswer(brokers))(conn)
		})}}
		if failures := untilPasses(t, p); len(failures) != c.fails {
			t.Errorf("%s: failed %q, want %d times", name, failures, c.fails)
		}
	}
}

// untilPasses checks until all is well, and returns the failures before it.
func untilPasses(t *testing.T, p *project.Probe) []string {
	t.Helper()
	c, err := probe.NewChecker(p, probe.Deps{Resolve: func(t project.Text) (string, error) { return t.String(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	var failures []string
	for ctx.Err() == nil {
		err := c.Check(ctx)
		if err == nil {
			return failures
		}
		failures = append(failures, err.Error())
		time.Sleep(5 * time.Millisecond) // as a probe does: there is no fact to wait for
	}
	t.Fatalf("never passed: %q", failures[max(0, len(failures)-3):])
	return nil
}

// server starts a real one, and ends it with the test.
func server(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	log := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
		f.Close()
		if b, _ := os.ReadFile(log); t.Failed() || strings.Contains(string(b), "FATAL:  role") {
			t.Logf("%s said:\n%s", name, b)
		}
	})
}

func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed", program)
	}
	return path
}

func TestRealRedis(t *testing.T) {
	redis := need(t, "redis-server")
	port := testkit.Port(t)
	server(t, redis, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir(), "--requirepass", "x")
	untilPasses(t, &project.Probe{Server: &project.ServerCheck{Protocol: "redis", Port: port}})
}

func TestRealPostgreSQL(t *testing.T) {
	pgs, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(pgs) == 0 {
		t.Skip("PostgreSQL is not installed")
	}
	bin := filepath.Dir(pgs[len(pgs)-1])
	for _, superuser := range []string{"postgres", "someone"} {
		t.Run(superuser, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "n2g") // short: for the socket's path
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			as := func(args ...string) []string { return args }
			if os.Getuid() == 0 { // it refuses to run as root
				need(t, "setpriv")
				if out, err := exec.Command("chown", "nobody", dir).CombinedOutput(); err != nil {
					t.Skipf("chown: %s", out)
				}
				as = func(args ...string) []string {
					return append([]string{"setpriv", "--reuid=nobody", "--clear-groups"}, args...)
				}
			}
			initdb := as(bin+"/initdb", "-D", dir+"/data", "-U", superuser, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
			if out, err := exec.Command(initdb[0], initdb[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("initdb: %v\n%s", err, out)
			}
			port := testkit.Port(t)
			args := as(bin+"/postgres", "-D", dir+"/data", "-p", fmt.Sprint(port), "-k", dir, "-c", "fsync=off", "-c", "listen_addresses=127.0.0.1")
			server(t, args[0], args[1:]...)
			t.Logf("before it was ready: %q", untilPasses(t, &project.Probe{Server: &project.ServerCheck{Protocol: "postgresql", Port: port}}))
			untilPasses(t, &project.Probe{Server: &project.ServerCheck{Protocol: "postgresql", Port: port, Socket: project.Lit(dir)}})
			c, err := probe.NewChecker(&project.Probe{Server: &project.ServerCheck{Protocol: "postgresql", Port: port}}, probe.Deps{})
			if err != nil {
				t.Fatal(err)
			}
			for range 5 {
				wantError(t, c.Check(t.Context()), "")
			}
		})
	}
}

// A server that says in its status file that it starts is not asked: it logs
// each question it must turn away.
func TestPostgreSQLThatStartsIsNotAsked(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 1)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			asked <- struct{}{}
			conn.Close()
		}
	}()
	defer l.Close()
	file := filepath.Join(t.TempDir(), "postmaster.pid")
	c, err := probe.NewChecker(&project.Probe{Server: &project.ServerCheck{Protocol: "postgresql",
		Port: l.Addr().(*net.TCPAddr).Port, StatusFile: project.Lit(file)}},
		probe.Deps{Resolve: func(text project.Text) (string, error) { s, _ := text.Literal(); return s, nil }})
	if err != nil {
		t.Fatal(err)
	}
	status := func(word string) {
		lines := "1234\n/data\n1700000000\n5432\n/run\n127.0.0.1\n  123  456\n" + word + "\n"
		if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	status("starting")
	wantError(t, c.Check(t.Context()), "starting up")
	select {
	case <-asked:
		t.Error("a server that starts was asked")
	default:
	}
	status("ready   ")
	wantError(t, c.Check(t.Context()), "closed the connection")
	<-asked
}
