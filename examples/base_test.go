package examples

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"nix2gpu/internal/debtest"
	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
	"nix2gpu/packages"
)

// systemFiles returns programs of this machine with the libraries that they load, as
// the files of a layer.
func systemFiles(t testing.TB, programs ...string) map[string]string {
	t.Helper()
	files := map[string]string{}
	add := func(file, as string) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		files[as] = string(data)
	}
	library := regexp.MustCompile(`(/lib\S+)`)
	for _, p := range programs {
		file, err := exec.LookPath(p)
		if err != nil {
			t.Fatal(err)
		}
		real, err := filepath.EvalSymlinks(file)
		if err != nil {
			t.Fatal(err)
		}
		add(real, "usr/bin/"+p)
		out, err := exec.Command("ldd", real).Output()
		if err != nil {
			t.Fatalf("ldd %s: %v", real, err)
		}
		for _, lib := range library.FindAllString(string(out), -1) {
			add(lib, "usr"+strings.TrimPrefix(lib, "/usr"))
		}
	}
	return files
}

// nvidiaCUDA returns a stand-in for nvidia/cuda: an Ubuntu of this machine's programs,
// with CUDA 12.8 where NVIDIA's own image has it, and the keys of its archives.
func nvidiaCUDA(t testing.TB, arch string, ubuntu, nvidia *debtest.Key) v1.Image {
	t.Helper()
	files := systemFiles(t, "bash", "dash", "cat", "ls", "sleep", "id", "grep", "readlink", "ldconfig", "stat")
	status := ""
	for _, p := range packages.Base() {
		if p != "ca-certificates" {
			status += fmt.Sprintf("Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1ubuntu1\nMaintainer: Nobody <nobody@example.org>\nDescription: of the base\n\n", p)
		}
	}
	status += "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nVersion: 2.39-0ubuntu8\nMaintainer: Nobody <nobody@example.org>\nDescription: of the base\n\n"
	for name, text := range map[string]string{
		"bin -> usr/bin": "", "sbin -> usr/sbin": "", "lib -> usr/lib": "", "lib64 -> usr/lib64": "", "usr/bin/sh -> dash": "", "usr/sbin/": "", "tmp/": "", "root/": "", "var/log/": "",
		"usr/lib/os-release": "PRETTY_NAME=\"Ubuntu 24.04.2 LTS\"\nNAME=Ubuntu\nID=ubuntu\nVERSION_CODENAME=noble\nVERSION_ID=\"24.04\"\n", "etc/os-release -> ../usr/lib/os-release": "",
		"etc/passwd": "root:x:0:0:root:/root:/bin/bash\nubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\n", "etc/group": "root:x:0:\nshadow:x:42:\nubuntu:x:1000:\n",
		"etc/shadow": "root:*:19000:0:99999:7:::\nubuntu:!:19000:0:99999:7:::\n", "var/lib/dpkg/status": status,
		"usr/share/keyrings/ubuntu-archive-keyring.gpg": string(ubuntu.Public(t)),
		// Both set a prompt whatever PS1 is.
		"etc/bash.bashrc": "PS1='\\u@\\h:\\w\\$ '\n", "root/.bashrc": "PS1='${debian_chroot:+($debian_chroot)}\\u@\\h:\\w\\$ '\nPS1=\"\\[\\e]0;\\u@\\h: \\w\\a\\]$PS1\"\n",
	} {
		files[name] = text
	}
	root := "usr/local/cuda-12.8/"
	second := map[string]string{
		root + "lib64 -> targets/x86_64-linux/lib": "", root + "compat/libcuda.so.1": "compat", "usr/local/cuda -> /etc/alternatives/cuda": "", "etc/alternatives/cuda -> /usr/local/cuda-12.8": "",
		root + "targets/x86_64-linux/lib/libcudart.so.12": debtest.CUDA("12.8")[2].Entries[0].Body, "etc/ld.so.conf.d/000_cuda.conf": "/usr/local/cuda/targets/x86_64-linux/lib\n",
		"var/lib/dpkg/status":                         status + "Package: cuda-cudart-12-8\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12.8.90-1\nMaintainer: Nobody <nobody@example.org>\nDescription: CUDA\n\n",
		"usr/share/keyrings/cuda-archive-keyring.gpg": string(nvidia.Public(t)),
	}
	config := v1.Config{Env: []string{"PATH=/usr/local/nvidia/bin:/usr/local/cuda/bin:/usr/bin:/opt/vendor/bin", "NVIDIA_VISIBLE_DEVICES=all", "CUDA_VERSION=12.8.1"}, Labels: map[string]string{"maintainer": "NVIDIA"}}
	return testkit.Image(t, arch, config, testkit.Layer(t, files), testkit.Layer(t, second))
}

// noble serves an archive of an Ubuntu release that the test makes.
func noble(t testing.TB, key *debtest.Key) *debtest.Server {
	t.Helper()
	libs := "libc6 (>= 2.34)"
	release := debtest.Archive{Codename: "noble", Suite: "noble", More: []string{"universe"}, Keys: []*debtest.Key{key}, Date: time.Now().Add(-time.Hour), Debs: []debtest.Deb{
		{Name: "tool", Version: "1", Arch: "amd64", Depends: libs + ", bash", Compression: "gz", Entries: []debtest.Entry{debtest.Exec("usr/bin/tool", "#!/bin/sh\necho the tool runs\nexec sleep 1000000\n")}},
		{Name: "bash", Version: "9", Arch: "amd64", Compression: "gz", Entries: []debtest.Entry{debtest.Exec("bin/bash", "newer")}},
		{Name: "libc6", Version: "2.40", Arch: "amd64", Compression: "gz"},
		{Name: "ca-certificates", Version: "1", Compression: "gz", Entries: []debtest.Entry{debtest.File("usr/share/ca-certificates/mozilla/A.crt", "-----BEGIN CERTIFICATE-----\n")}},
		{Name: "openssh-client", Version: "1", Arch: "amd64", Depends: libs, Compression: "gz"}, {Name: "openssh-server", Version: "1", Arch: "amd64", Depends: libs, Compression: "gz"},
	}}
	updates, security := release, release
	updates.Codename, updates.Debs, security.Codename, security.Debs = "noble-updates", nil, "noble-security", nil
	tree := debtest.Tree{}
	for _, a := range []debtest.Archive{release, updates, security} {
		tree.Add("", a.Tree(t))
	}
	return debtest.Serve(t, tree)
}

// An image on a foreign base has packages of the base's release, verified by the base's
// keys. A push beside the base mounts its layers, and one elsewhere sends them. The
// image runs.
func TestForeignBase(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the stand-ins of CUDA are for amd64")
	}
	e := engine.Docker(t)
	near, far := testkit.Distribution(t), testkit.Distribution(t)
	ubuntu, ours := debtest.NewKey(t, 0), debtest.NewKey(t, 0)
	archive := noble(t, ubuntu)
	cuda := debtest.Serve(t, debtest.NVIDIA(t, ours, time.Now().Add(-time.Hour), "x86_64", append(debtest.CUDA("12.8"), debtest.CUDA("12.4")...)...))
	base := nvidiaCUDA(t, "amd64", ubuntu, ours)
	ref, err := name.ParseReference(near+"/nvidia/cuda:12.8-base", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, base); err != nil {
		t.Fatal(err)
	}
	digest, err := base.Digest()
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	version := "12_8"
	write := func(from string) {
		text := fmt.Sprintf(`{
  perSystem.nix2gpu."gpu" = {
    fromImage = %q;
    cudaPackages = pkgs.cudaPackages_%s;
    aptSources.nvidia.url = %q;
    services.custom."app" = { enable = true; command = "tool"; };
    systemPackages = [ pkgs.tool ];
  };
}
`, from, version, cuda.URL)
		if err := os.WriteFile(filepath.Join(dir, "nix2gpu.nix"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	home := t.TempDir()
	run := func(args ...string) (string, string, error) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), testkit.Binary(t), args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CI=", "XDG_CACHE_HOME="+home, "NIX2GPU_MIRROR="+archive.URL, "HOME="+home)
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		return out.String(), errs.String(), err
	}
	must := func(args ...string) (stdout, stderr string) {
		t.Helper()
		stdout, stderr, err := run(args...)
		if err != nil {
			t.Fatalf("nix2gpu %s: %v\n%s%s", strings.Join(args, " "), err, stdout, stderr)
		}
		return stdout, stderr
	}

	// A tag is not enough.
	write(ref.String())
	if _, stderr, err := run("build"); err == nil || !strings.Contains(stderr, "nix2gpu.nix:3:5: fromImage has no digest, and what a tag names may change") ||
		!strings.Contains(stderr, fmt.Sprintf("hint: write what it names now: fromImage = %q", ref.String()+"@"+digest.String())) {
		t.Errorf("without a digest: %v\n%s", err, stderr)
	}
	write(ref.String() + "@" + digest.String())
	if _, stderr, err := run("build", "--suite", "bookworm"); err == nil || !strings.Contains(stderr, `fromImage is of Ubuntu 24.04.2 LTS: its packages are those of suite "noble", not of "bookworm"`) {
		t.Errorf("with another suite: %v\n%s", err, stderr)
	}
	if _, stderr, err := run("lock", "--platform", "linux/arm64"); err == nil || !strings.Contains(stderr, "it is for linux/amd64, and not for linux/arm64") {
		t.Errorf("for another architecture: %v\n%s", err, stderr)
	}

	// The lock has packages of the base's release that the base lacks, by its keys.
	must("lock", "--platform", "linux/amd64")
	text, err := os.ReadFile(filepath.Join(dir, "nix2gpu.lock"))
	if err != nil {
		t.Fatal(err)
	}
	lock := string(text)
	for _, want := range []string{`"suite": "noble"`, `"name":"tool","version":"1"`, `"name":"libcublas-12-8"`, `"archive":"ubuntu"`, `"base":"` + digest.String() + `"`, `"name":"ca-certificates"`} {
		if !strings.Contains(lock, want) {
			t.Errorf("the lock has no %s", want)
		}
	}
	for _, not := range []string{`"name":"bash"`, `"name":"libc6"`, `"name":"cuda-cudart-12-8"`, "127.0.0.1"} {
		if strings.Contains(lock, not) {
			t.Errorf("the lock has %s", not)
		}
	}

	// Beside the base its layers are mounted, elsewhere they are sent: in neither case
	// are they kept here.
	_, stderr := must("push", "--to", near+"/me/gpu:1", "--platform", "linux/amd64")
	if !strings.Contains(stderr, "2 taken from another repository") {
		t.Errorf("beside its base:\n%s", stderr)
	}
	_, stderr = must("push", "--to", far+"/me/gpu:1", "--platform", "linux/amd64")
	if strings.Contains(stderr, "another repository") {
		t.Errorf("elsewhere:\n%s", stderr)
	}
	if kept, _ := filepath.Glob(filepath.Join(home, "nix2gpu", "bases", "*.layer")); len(kept) > 0 {
		t.Errorf("layers of the base were kept: %q", kept)
	}
	for _, host := range []string{near, far} {
		pulled, err := name.ParseReference(host+"/me/gpu:1", name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		img, err := remote.Image(pulled)
		if err != nil {
			t.Fatal(err)
		}
		layers, err := img.Layers()
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range layers {
			h, err := l.Digest()
			if err != nil {
				t.Fatal(err)
			}
			if r, err := l.Compressed(); err != nil {
				t.Errorf("%s: layer %d, %s: %v", host, i, h, err)
			} else {
				r.Close()
			}
		}
	}

	// A layout can do without the base's layers; an archive has them.
	must("build", "--without-base", "-o", "thin.oci", "--platform", "linux/amd64")
	blobs, err := os.ReadDir(filepath.Join(dir, "thin.oci", "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := base.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blobs {
		if b.Name() == m.Layers[0].Digest.Hex {
			t.Error("the layout has a layer of the base")
		}
	}
	_, stderr = must("push", "--from", "thin.oci", "--to", near+"/me/thin:1")
	if !strings.Contains(stderr, "2 taken from another repository") {
		t.Errorf("a layout without its base:\n%s", stderr)
	}
	must("build", "-o", "gpu.tar", "--platform", "linux/amd64")
	e.Load(filepath.Join(dir, "gpu.tar"))
	c := e.Container("gpu:latest")
	e.WaitLogs(c, "[app] the tool runs")
	for _, check := range []struct{ command, want string }{
		{"readlink /bin /lib /lib64", "usr/bin\nusr/lib\nusr/lib64"},
		{"ldconfig -p | grep -c 'libcublas.so.12 .*=> /usr/local/cuda/targets/x86_64-linux/lib/'", "1"},
		{"grep -c ubuntu /etc/passwd", "1"},
		{"id -u postgres", "900"},
		{"grep -c '^Package: \\(bash\\|tool\\|cuda-cudart-12-8\\|libcublas-12-8\\)$' /var/lib/dpkg/status", "4"},
		{"cat /etc/os-release | grep VERSION_CODENAME", "VERSION_CODENAME=noble"},
		{"echo $PATH | grep -c /opt/vendor/bin; echo $NVIDIA_REQUIRE_CUDA", "1\ncuda>=12.8"},
	} {
		out, errs, code := e.Exec("exec", c, "sh", "-c", check.command)
		if code != 0 || strings.TrimSpace(out) != check.want {
			t.Errorf("%s: exit code %d, %q, want %q\n%s", check.command, code, out, check.want, errs)
		}
	}
	for line, prompt := range map[string]string{
		"docker run -it --rm --entrypoint bash gpu:latest": "root@container:/workspace# ", "docker run -it --rm -e 'PS1=mine> ' --entrypoint bash gpu:latest": "mine> ", "docker exec -it " + c + " bash": "root@container:/workspace# ",
	} {
		tm := e.Terminal(line)
		if before := tm.WaitFor(prompt); strings.Contains(before, "@") {
			t.Errorf("%s prints first\n%s", line, before)
		}
		tm.Type("PS1='\\u@\\h is ''set '")
		tm.WaitFor(" is set ")
		tm.Type("exit 0")
		tm.Wait()
	}
	e.MustExec("stop", c)

	// Offline, the cache has the base's metadata and, by now, its layers.
	if err := os.RemoveAll(filepath.Join(dir, "gpu.oci")); err != nil {
		t.Fatal(err)
	}
	must("build", "--locked", "--offline", "--platform", "linux/amd64")

	// Another version of CUDA than the base's is installed as well, with a warning.
	version = "12_4"
	write(ref.String() + "@" + digest.String())
	_, stderr = must("build", "--without-base", "-o", "twice.oci", "--platform", "linux/amd64")
	if want := "nix2gpu.nix:4:5: warning: CUDA comes twice: 12.8 in the base, and 12.4 by cudaPackages; take a base with 12.4 or without any, or cuda.enable = false"; !strings.Contains(stderr, want) {
		t.Errorf("with another version of CUDA:\n%s\nwant %s", stderr, want)
	}
}
