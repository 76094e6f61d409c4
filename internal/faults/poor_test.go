package faults

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
)

// oldKernel becomes a program that the kernel answers as one of some years ago would: it
// does not know the calls that came later.
func oldKernel(argv []string) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	calls := []uint32{unix.SYS_CLONE3, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_PIDFD_GETFD, unix.SYS_CLOSE_RANGE,
		unix.SYS_OPENAT2, unix.SYS_FACCESSAT2, unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_EPOLL_PWAIT2, unix.SYS_STATX}
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}} // the number of the call
	for i, call := range calls {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jt: uint8(len(calls) - i)})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)})
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return errno
	}
	return unix.Exec(path, argv, os.Environ())
}

// TestPoorMachine takes away what a machine mostly has. Services run all the same, and
// what leaves their session is ended.
func TestPoorMachine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root takes a machine apart")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const apart = `set -e
mount -t tmpfs none /mnt; mkdir /mnt/p /mnt/bin; mount --bind . /mnt/p; cp "$BIN" /mnt/bin/nix2gpu; export PATH=/mnt/bin:$PATH
`
	poor := map[string][]string{
		"no /tmp, no /run that takes files": {"unshare", "-m", "bash", "-c", apart + "mount -t tmpfs -o ro none /tmp; mount -t tmpfs -o ro none /run; cd /mnt/p\n" +
			"nix2gpu up 2>&1 | grep 'hint: mount .* on /run, such as a tmpfs' && mount -t tmpfs none /run && exec nix2gpu up"},
		"no cgroups":                  {"unshare", "-m", "bash", "-c", apart + "mount -t tmpfs -o ro none /sys; cd /mnt/p; exec nix2gpu up"},
		"a user without a name":       {"bash", "-c", `chmod 777 .; exec setpriv --reuid 54321 --regid 54321 --clear-groups env -u HOME -u XDG_RUNTIME_DIR -u USER "$BIN" up`},
		"no environment":              {"bash", "-c", `exec env -i "$BIN" up`},
		"an old kernel":               {"bash", "-c", `OLD_KERNEL=1 exec "$SELF" "$BIN" up`},
		"one descriptor of each kind": {"bash", "-c", `exec "$BIN" up </dev/null 9<&- 8<&-`},
	}
	for name, argv := range poor {
		t.Run(name, func(t *testing.T) {
			s := testkit.NewStackFrom(t, "")
			s.Env = append(s.Env, "BIN="+s.Bin, "SELF="+self)
			s.Write("nix2gpu.nix", `{ services.custom = {
  "svc" = { enable = true; command = "/bin/sh -c '(setsid /bin/sleep 1000 &); echo it runs; exec /bin/sleep 1001'"; };
  "limited" = { enable = true; command = "/bin/echo limited; exec /bin/sleep 1002"; limits.memory = "100M"; depends_on.svc = "started"; };
  "crash" = { enable = true; command = "exit 3"; max_restarts = 1; restart_delay = "10ms"; };
}; }
`)
			up := s.StartCommand(argv[0], argv[1:]...)
			up.WaitLine("[limited] limited")
			if !testkit.Eventually(func() bool {
				return strings.Contains(up.Stdout(), "crash: failed: gave up after 1 restart: exit code 3")
			}) {
				t.Errorf("the end of a service is not what it was:\n%s", up.Output())
			}
			if n := strings.Count(up.Output(), "limit is not enforced"); n > 1 {
				t.Errorf("said %d times what is left out", n)
			}
			up.Stop()
		})
	}
	t.Attr("R23", fmt.Sprintf("%d machines, each without something", len(poor)))
}
