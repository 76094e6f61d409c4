package daemon_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/image/daemon"
)

// refusing is an engine that keeps what it is asked to create, and refuses it.
func refusing(info, why string, asked *string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, usual) })
	mux.HandleFunc("GET /info", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, info) })
	mux.HandleFunc("POST /containers/create", func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		*asked = string(data)
		w.WriteHeader(http.StatusInternalServerError)
		json.NewEncoder(w).Encode(map[string]string{"message": why})
	})
	return mux
}

// TestRunAsksForGPUs looks at what docker is asked for on machines of all kinds.
func TestRunAsksForGPUs(t *testing.T) {
	with, without := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(with, "etc/cdi"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(with, "etc/cdi/nvidia.yaml"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	const hook, cdi = `"DeviceRequests":[{"Driver":"","Count":-1,"Capabilities":[["gpu"]]}]`, `"DeviceRequests":[{"Driver":"cdi","Count":0,"DeviceIDs":["nvidia.com/gpu=all"]}]`
	for _, c := range []struct {
		name, root, info, engine string
		gpus                     bool
		want                     string
	}{
		{"CDI", with, `{"CDISpecDirs":["/etc/cdi","/var/run/cdi"]}`, "docker", true, cdi},
		{"an engine that knows no CDI", with, `{}`, "docker", true, hook},
		{"a machine without CDI", without, `{"CDISpecDirs":["/etc/cdi"]}`, "docker", true, hook},
		{"podman", without, `{}`, "podman", true, cdi},
		{"none wanted", with, `{"CDISpecDirs":["/etc/cdi"]}`, "docker", false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked string
			socket := serve(t, refusing(c.info, "could not select device driver \"\" with capabilities: [[gpu]]", &asked))
			opts := environ([]string{"DOCKER_HOST=unix://" + socket, "CONTAINER_HOST=unix://" + socket})
			opts.Root = c.root
			_, err := find(t, c.engine, opts).Run(t.Context(), daemon.Run{Image: "sha256:1", GPUs: c.gpus})
			var e *daemon.Error
			if !errors.As(err, &e) || !strings.Contains(e.Hint, "--gpus none") {
				t.Errorf("error is %v, want one with a cure", err)
			}
			if got := strings.Contains(asked, "DeviceRequests"); got != (c.want != "") || !strings.Contains(asked, c.want) {
				t.Errorf("asked for %s, want %s in it", asked, c.want)
			}
		})
	}
}

func TestHasGPU(t *testing.T) {
	root := t.TempDir()
	if (daemon.Options{Root: root}).HasGPU() {
		t.Error("an empty machine has a GPU")
	}
	for _, device := range []string{"nvidiactl", "dxg"} {
		root := t.TempDir()
		if err := os.MkdirAll(filepath.Join(root, "dev"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "dev", device), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if !(daemon.Options{Root: root}).HasGPU() {
			t.Errorf("/dev/%s is no GPU", device)
		}
	}
}

// TestRunNeedsSomeDocker refuses one that can't tell the exit code.
func TestRunNeedsSomeDocker(t *testing.T) {
	socket := serve(t, answers(`{"ApiVersion":"1.29","Version":"17.04","Arch":"amd64"}`, nil))
	_, err := find(t, "docker", environ([]string{"DOCKER_HOST=unix://" + socket})).Run(t.Context(), daemon.Run{Image: "sha256:1"})
	if err == nil || !strings.Contains(err.Error(), "its API is 1.29, and 1.30 is needed") {
		t.Errorf("error is %v", err)
	}
}
