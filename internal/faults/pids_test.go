package faults

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
)

// since reports whether this kernel is of a version or later.
func since(t *testing.T, major, minor int) bool {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var a, b int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b); err != nil {
		t.Fatal(err)
	}
	return a > major || a == major && b >= minor
}

// TestPidsAreGivenAnew runs services that end all the time, and strangers beside them,
// where there are only 400 pids, each of which is soon given anew: no stranger is struck.
func TestPidsAreGivenAnew(t *testing.T) {
	if os.Geteuid() != 0 || !since(t, 6, 14) {
		t.Skip("needs a process namespace with a number of pids of its own (root, Linux 6.14)")
	}
	s := testkit.NewStackFrom(t, "")
	var services strings.Builder
	for i := range 4 {
		fmt.Fprintf(&services, "\"s%d\" = { enable = true; command = \"bash -c '(setsid sleep 0.%d &); (setsid sleep 1000 &); exit %d'\"; restart = \"always\"; restart_delay = \"10ms\"; };\n", i, i, i%2)
	}
	s.Write("nix2gpu.nix", "{ services.custom = {\n"+services.String()+"}; }\n")
	n := rounds(150, 2000)
	s.Write("main", fmt.Sprintf(`echo 400 >/proc/sys/kernel/pid_max
nix2gpu up >out 2>&1 & up=$!
stranger() {
  struck=0
  for ((i = 0; i < %d; i++)); do
    setsid sleep 0.02 & pid=$!
    wait $pid || struck=$((struck + 1))
    [ $pid -lt 400 ] || struck=$((struck + 1))
  done
  echo $struck >struck.$1
}
for i in 1 2 3 4; do stranger $i & loops="$loops $!"; done
wait $loops
kill -TERM $up
wait $up; code=$?
echo "struck $(cat struck.* | tr '\n' ' ')code $code"
`, n))
	run := s.StartCommand("unshare", "-pf", "--mount-proc", "--kill-child", "bash", "./main")
	code := run.Wait()
	if out := run.Stdout(); code != 0 || out != "struck 0 0 0 0 code 0\n" {
		log, _ := os.ReadFile(s.Dir + "/out")
		t.Errorf("exit code %d, %q; want nobody struck\n%s%s", code, out, run.Stderr(), log[max(0, len(log)-2000):])
	}
	log, err := os.ReadFile(s.Dir + "/out")
	if err != nil {
		t.Fatal(err)
	}
	ends := strings.Count(string(log), "starting")
	if ends < 20 {
		t.Errorf("the services were started %d times: too few to mean anything\n%s", ends, log)
	}
	t.Attr("R11", fmt.Sprintf("%d strangers beside %d starts of services, in 400 pids: 0 struck", 4*n, ends))
	s.WantNothingLeft()
}

// TestManyDescendants lets a service make descendants that have left all that could show
// whose they are. A stop ends them all.
func TestManyDescendants(t *testing.T) {
	n := rounds(200, 1000)
	s := stack(t, `command = "bash ./spawn"; shutdown.timeout_seconds = 1;`)
	s.Write("spawn", fmt.Sprintf(`for ((i = 0; i < %d; i += 4)); do
  setsid sleep 1000 &
  (sleep 1000 &)
  (env -i setsid sleep 1000 >/dev/null 2>&1 &)
  (trap '' TERM; env -i setsid nohup sleep 1000 >/dev/null 2>&1 &)
done
echo spawned
exec sleep 1001
`, n))
	up := s.Start("up")
	up.WaitLine("[svc] spawned")
	if !testkit.Eventually(func() bool { return countMatching(s, "sleep 1000") == n }) {
		t.Fatalf("%d run, want %d", countMatching(s, "sleep 1000"), n)
	}
	s.MustExec("stop", "svc")
	if left := countMatching(s, "sleep 1000"); left != 0 {
		t.Errorf("%d of %d are left", left, n)
	}
	t.Attr("R14", fmt.Sprintf("0 of %d left", n))
	s.MustExec("down")
	up.Wait()
	s.WantNothingLeft()
}
