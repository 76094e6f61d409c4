package container_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/klauspost/compress/gzip"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

// hunter begins each secret of these tests, in two pieces since sources are
// searched as well.
const hunter = "hunter" + "-2-"

// mark is how a secret is named to the program that looks for it.
func mark(secret string) string {
	sum := sha256.Sum256([]byte(hunter + secret))
	return hex.EncodeToString(sum[:8])
}

// secretShop is the folder of a definition with secrets of every kind, and with
// what is mounted into its container.
func secretShop(t *testing.T) (dir, mounts string) {
	t.Helper()
	dir, mounts = t.TempDir(), t.TempDir()
	write := func(path, content string, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), mode)); err != nil {
			t.Fatal(err)
		}
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(mounts, "identity"), key.String()+"\n", 0o600)
	write(filepath.Join(mounts, "hf"), hunter+"file\n", 0o600)
	write(filepath.Join(mounts, "env"), "FROM_ENV_FILE="+hunter+"envfile\n", 0o600)
	for _, name := range []string{"age", "agenix"} {
		var sealed bytes.Buffer
		w, err := age.Encrypt(&sealed, key.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, hunter+name); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		write(filepath.Join(dir, name+".age"), sealed.String(), 0o600)
	}
	program, err := os.ReadFile(engine.Program(t, "testdata/app"))
	if err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(dir, "app"), string(program), 0o755)
	write(filepath.Join(dir, "nix2gpu.nix"), `{ config, ... }: {
  perSystem.nix2gpu."secret-shop" = { config, ... }: {
    copyToRoot = [ ./app ];
    secrets = {
      sealed.age = ./age.age;
      hf.file = "/run/secrets/hf";
      key.env = "API_KEY";
    };
    age.identityPaths = [ "/run/secrets/identity" ];
    age.secretsDir = "/srv/agenix";
    age.secrets.db = { file = ./agenix.age; owner = "1234"; mode = "0440"; };
    env.ALL_TOKEN = "`+hunter+`all";
    services.custom."reader" = {
      enable = true;
      user = "1234";
      environment = {
        HF_TOKEN.secret = "hf"; KEY.secret = "key"; SEALED.secret = "sealed";
        OWN_PASSWORD = "`+hunter+`own"; DATABASE_URL = "postgresql://u:`+hunter+`url@localhost/x";
        DB_FILE = config.age.secrets.db.path; HF_FILE = config.secrets.hf.path;
      };
      credentials = [ "sealed" "hf" ];
      environmentFile = "/run/secrets/env";
      command = "/usr/local/bin/app env:HF_TOKEN=`+mark("file")+` env:KEY=`+mark("env")+` env:SEALED=`+mark("age")+` env:FROM_ENV_FILE=`+mark("envfile")+
		` env:ALL_TOKEN=`+mark("all")+` env:OWN_PASSWORD=`+mark("own")+` named:DB_FILE=`+mark("agenix")+` named:HF_FILE=`+mark("file")+` file:/srv//agenix/db=`+mark("agenix")+
		` credential:sealed=`+mark("age")+` credential:hf=`+mark("file")+` none:API_KEY stay";
    };
    services.custom."other" = {
      enable = true;
      user = "1235";
      depends_on.reader = "started";
      environment.OWN_PASSWORD = "`+hunter+`theirs";
      command = "/usr/local/bin/app env:OWN_PASSWORD=`+mark("theirs")+` none:API_KEY none:KEY none:HF_TOKEN none:SEALED none:FROM_ENV_FILE none:DATABASE_URL none:CREDENTIALS_DIRECTORY " +
        "closed:/dev/shm/nix2gpu-secrets-0/+/+/+ closed:/dev/shm/nix2gpu-secrets-0/+/+/+/+ closed:/run/nix2gpu-secrets/+/+/+ closed:/run/nix2gpu-secrets/+/+/+/+ closed:/srv/agenix/+ closed:/proc/1/environ stay";
    };
  };
}
`, 0o644)
	return dir, mounts
}

// given is how the container gets what its image has not.
func given(mounts string) []string {
	args := []string{"-e", "API_KEY=" + hunter + "env", "-e", "ALL_TOKEN=" + hunter + "all",
		"-e", "READER_OWN_PASSWORD=" + hunter + "own", "-e", "OWN_PASSWORD=" + hunter + "theirs", "-e", "DATABASE_URL=postgresql://u:" + hunter + "url@localhost/x"}
	for _, name := range []string{"identity", "hf", "env"} {
		args = append(args, "-v", filepath.Join(mounts, name)+":/run/secrets/"+name+":ro")
	}
	return args
}

// searched wants no secret in a text.
func searched(t *testing.T, where, text string) {
	t.Helper()
	if text == "" {
		t.Errorf("%s is empty", where)
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, hunter) {
			t.Errorf("%s shows a secret: %.300q", where, line)
		}
	}
}

// searchTar wants no secret in an archive, in what archives in it hold, or in the
// names of their files, and returns how many files it has looked at.
func searchTar(t *testing.T, where string, r io.Reader) (files int) {
	t.Helper()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		if zr, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
			if data, err = io.ReadAll(zr); err != nil {
				t.Fatalf("%s: %s: %v", where, h.Name, err)
			}
		}
		files++
		switch {
		case strings.HasSuffix(h.Name, "layer.tar"):
			files += searchTar(t, where+": "+h.Name, bytes.NewReader(data))
		case bytes.Contains(data, []byte(hunter)), strings.Contains(h.Name+h.Linkname, hunter):
			t.Errorf("%s: %s holds a secret", where, h.Name)
		}
	}
}

// Services get what they name, from an image in which nothing is told; and nothing
// that the engine or the container shows, keeps or prints has any of it.
func TestSecretsInAContainer(t *testing.T) {
	e := engine.Docker(t)
	dir, mounts := secretShop(t)
	said := e.Built(dir, "secret-shop:latest")
	for _, want := range []string{
		`nix2gpu.nix:12:9: warning: env.ALL_TOKEN is a secret in plain text: the image does not have it, and a container must be given it`,
		`warning: OWN_PASSWORD of "reader" is a secret in plain text`, `hint: docker run -e READER_OWN_PASSWORD;`, `warning: DATABASE_URL of "reader"`,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("build says\n%s\nwant %q", said, want)
		}
	}
	searched(t, "build", said)
	searched(t, "docker inspect", e.MustExec("inspect", "secret-shop:latest"))
	searched(t, "docker history", e.MustExec("history", "--no-trunc", "secret-shop:latest"))
	archive := filepath.Join(t.TempDir(), "saved.tar")
	e.MustExec("save", "-o", archive, "secret-shop:latest")
	look := func(where, file string) {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if n := searchTar(t, where, f); n < 20 {
			t.Errorf("%s: only %d files were looked at", where, n)
		}
	}
	look("docker save", archive)

	for name, more := range map[string][]string{
		"in /dev/shm": nil,
		"in /run":     {"--tmpfs", "/run", "--read-only", "--tmpfs", "/tmp", "--tmpfs", "/srv"},
	} {
		t.Run(name, func(t *testing.T) {
			e := engine.Docker(t)
			id := e.Container(append(append(given(mounts), more...), "secret-shop:latest")...)
			e.WaitLogs(id, "[other] all was looked at")
			logs := e.WaitLogs(id, "[reader] all was looked at")
			for _, want := range []string{"ok env:HF_TOKEN", "ok env:KEY", "ok env:SEALED", "ok env:FROM_ENV_FILE", "ok env:ALL_TOKEN", "ok env:OWN_PASSWORD", "ok named:DB_FILE", "DB_FILE has mode 440 of user 1234",
				"ok named:HF_FILE", "HF_FILE has mode 400 of user 1234", "ok file:/srv//agenix/db", "ok credential:sealed", "ok credential:hf"} {
				if !strings.Contains(logs, "[reader] "+want) {
					t.Errorf("the logs lack %q:\n%s", want, logs)
				}
			}
			if strings.Contains(logs, "WRONG") {
				t.Errorf("logs:\n%s", logs)
			}
			searched(t, "docker logs", logs)
			for _, line := range []string{"process-compose status", "nix2gpu status reader", "nix2gpu config", "nix2gpu config -o json", "nix2gpu config -o project", "process-compose up --dry-run",
				"nix2gpu secret ls", "nix2gpu logs", "nix2gpu ps -o json"} {
				searched(t, line, e.MustExec(append([]string{"exec", id}, strings.Fields(line)...)...))
			}
			filled := filepath.Join(t.TempDir(), "exported.tar")
			e.MustExec("export", "-o", filled, id) // with /tmp/process-compose.yaml, /etc/environment, the state folder
			look("docker export", filled)
			// A command gets what every process of the container does, and no more; nor does
			// a second boot. What docker itself hands to docker exec is its own.
			environ := e.MustExec("exec", id, "nix2gpu", "boot", "/usr/local/bin/app", "environ")
			if !strings.Contains(environ, "ALL_TOKEN="+hunter) || strings.Count(environ, hunter) != 1 {
				t.Errorf("a command beside the services gets\n%s", environ)
			}
			e.MustExec("stop", id)
			if code := e.ExitCode(id); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			searched(t, "docker logs at the end", e.Logs(id))
		})
	}

	environ := e.MustExec(append(append([]string{"run", "--rm"}, given(mounts)...), "secret-shop:latest", "/usr/local/bin/app", "environ", "none:API_KEY")...)
	if strings.Count(environ, hunter) != 1 || strings.Contains(environ, "WRONG") {
		t.Errorf("a command alone gets\n%s", environ)
	}
}

// Who is not given a secret is told which, where it is named, and how; a disk takes
// none.
func TestSecretsThatAreNotThere(t *testing.T) {
	e := engine.Docker(t)
	dir, mounts := secretShop(t)
	e.Built(dir, "secret-shop:latest")
	id := e.Container("secret-shop:latest")
	logs := e.WaitLogs(id, "[nix2gpu] ")
	if !testkit.Eventually(func() bool { logs = e.Logs(id); return !e.Running(id) }) {
		t.Fatalf("without a service that can run the container stays:\n%s", logs)
	}
	logs = e.Logs(id)
	for _, want := range []string{
		`secret "sealed": "/etc/nix2gpu/secrets/sealed.age" cannot be decrypted, as no identity can be read: "/run/secrets/identity"`,
		`secret "key": variable API_KEY is not set`, `docker run -e API_KEY`,
		`secret "env/ALL_TOKEN": variable ALL_TOKEN is not set`,
		`secret "hf": cannot read "/run/secrets/hf"`, `docker run -v ./hf:/run/secrets/hf:ro`,
	} {
		if !strings.Contains(logs, want) {
			t.Errorf("logs lack %q:\n%s", want, logs)
		}
	}

	disk := t.TempDir()
	id = e.Container(append(given(mounts), "-v", disk+":/dev/shm", "secret-shop:latest")...)
	logs = e.WaitLogs(id, "there is no place in memory for secrets")
	if !strings.Contains(logs, "docker run --tmpfs /run") {
		t.Errorf("no cure in\n%s", logs)
	}
	left, err := os.ReadDir(disk)
	if err != nil || len(left) > 0 {
		t.Errorf("on the disk: %v, %v", left, err)
	}
}
