package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"nix2gpu/internal/testkit"
)

// Podman returns podman with a store of its own for one test: a Stack whose program is
// podman, so that Exec runs it with the given arguments. Env has its environment, for
// programs that start podman themselves. Containers and images are removed at the end.
func Podman(t testing.TB) *testkit.Stack {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs podman with a store of its own (run as root)")
	}
	for _, program := range []string{"podman", "runc", "catatonit"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs Debian's podman, runc and catatonit (scripts/deps all): %v", err)
		}
	}
	// Not t.TempDir: what podman leaves is removed by podman, then by us.
	dir, err := os.MkdirTemp("", "podman-")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	// runc and few limits: crun refuses some machines, and no limit is raised.
	containers := write("containers.conf", `[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "`+dir+`/tmp"
[network]
network_backend = "cni"
network_config_dir = "`+dir+`/net"
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=8192:8192"]
`)
	storage := write("storage.conf", fmt.Sprintf("[storage]\ndriver = \"overlay\"\nrunroot = %q\ngraphroot = %q\n", dir+"/run", dir+"/store"))
	n := testkit.NewNet(t)
	s := &testkit.Stack{T: t, Net: n, Dir: t.TempDir(), Bin: "/usr/bin/podman", Client: n.Client(),
		Env: []string{"CONTAINERS_CONF=" + containers, "CONTAINERS_STORAGE_CONF=" + storage, "HOME=" + dir, "XDG_RUNTIME_DIR=" + dir}}
	t.Cleanup(func() {
		s.Exec("pod", "rm", "-af")
		s.Exec("rm", "-af", "--time", "0")
		if _, errs, code := s.Exec("rmi", "-af"); code != 0 {
			t.Errorf("podman rmi: %s", errs)
		}
		s.Exec("unmount", "-af")
		exec.Command("umount", dir+"/store/overlay").Run() // podman's own mount, which nothing uses now
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return s
}
