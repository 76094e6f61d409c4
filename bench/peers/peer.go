package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Peer is a supervisor as this program knows it.
type Peer struct {
	Name string
	// Run writes what the supervisor reads into the place's folder, and returns the
	// command that runs the set in the foreground and ends all of it at SIGTERM. It
	// returns errUnsupported if the supervisor has no words for the set.
	Run func(p *place, set Set) (*exec.Cmd, error)
	// Status returns the command with which people look at their services. Nil: there
	// is none.
	Status func(p *place) *exec.Cmd
	// Version returns the command that does nothing but print the version, which is
	// what any command of the program costs at the least.
	Version func() *exec.Cmd
}

// errUnsupported says that a supervisor can't do a job at all.
var errUnsupported = fmt.Errorf("not supported")

// floorPeer is the raw floor: this program itself, in a process of its own.
func floorPeer(self string) Peer {
	return Peer{Name: "floor", Run: func(p *place, set Set) (*exec.Cmd, error) {
		if set.Logs {
			set.Logs = false // it keeps none
		}
		if err := p.write(set); err != nil {
			return nil, err
		}
		return exec.Command(self, "floor", p.dir), nil
	}}
}

// nix2gpuPeer is nix2gpu's up, from a definition in Nix.
func nix2gpuPeer(bin string) Peer {
	command := func(p *place, args ...string) *exec.Cmd {
		cmd := exec.Command(bin, args...)
		cmd.Dir = p.dir
		cmd.Env = append(os.Environ(), "NO_COLOR=1", "NIX2GPU_STATE="+p.path("state"))
		return cmd
	}
	return Peer{
		Name: "nix2gpu",
		Run: func(p *place, set Set) (*exec.Cmd, error) {
			var def strings.Builder
			def.WriteString("{\n")
			for _, s := range set.Services {
				fmt.Fprintf(&def, "  services.custom.%q = {\n    enable = true;\n    command = %q;\n", s.Name, strings.Join(s.Command, " "))
				if s.Restart {
					def.WriteString("    restart = \"always\";\n    restart_delay = 0;\n")
				} else {
					def.WriteString("    restart = \"no\";\n")
				}
				switch {
				case s.Ready == "line":
					def.WriteString("    readiness_probe.log_line = \"ready\";\n")
				case s.Ready == "fd":
					def.WriteString("    readiness_probe.notify = 3;\n")
				case s.HTTP > 0:
					fmt.Fprintf(&def, "    readiness_probe = { http_get = { port = %d; path = \"/%s\"; }; period_seconds = 1; };\n", s.HTTP, s.Name)
				case s.Exec != "":
					fmt.Fprintf(&def, "    readiness_probe = { exec.command = %q; period_seconds = 1; };\n", s.Exec)
				}
				if s.After != "" {
					fmt.Fprintf(&def, "    depends_on.%s = \"ready\";\n", s.After)
				}
				def.WriteString("  };\n")
			}
			def.WriteString("}\n")
			if err := os.WriteFile(p.path("nix2gpu.nix"), []byte(def.String()), 0o644); err != nil {
				return nil, err
			}
			return command(p, "up"), nil
		},
		Status:  func(p *place) *exec.Cmd { return command(p, "ps") },
		Version: func() *exec.Cmd { return exec.Command(bin, "version") },
	}
}

// s6Peer is s6-svscan on a folder of services. Logs are s6-log's, which writes each line
// to stdout and to rotated files of the same size as nix2gpu's; without Logs no service
// has a logger, which spares s6 a process for each.
func s6Peer() Peer {
	return Peer{
		Name: "s6",
		Run: func(p *place, set Set) (*exec.Cmd, error) {
			scan := p.path("scan")
			for _, s := range set.Services {
				if s.HTTP > 0 || s.Exec != "" {
					return nil, errUnsupported // it has no probes while a service runs
				}
				dir := filepath.Join(scan, s.Name)
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return nil, err
				}
				if err := s6Service(dir, s); err != nil {
					return nil, err
				}
				if !set.Logs {
					continue
				}
				if err := os.Mkdir(filepath.Join(dir, "log"), 0o755); err != nil {
					return nil, err
				}
				run := fmt.Sprintf("#!/bin/sh\nexec s6-log -b p'[%s] ' 1 n5 s10485760 T %s\n", s.Name, p.path("log-"+s.Name))
				if err := os.WriteFile(filepath.Join(dir, "log", "run"), []byte(run), 0o755); err != nil {
					return nil, err
				}
			}
			return exec.Command("s6-svscan", "-c", "2100", scan), nil
		},
		Status: func(p *place) *exec.Cmd {
			return exec.Command("sh", "-c", "for s in "+p.path("scan")+"/*; do s6-svstat $s; done")
		},
		Version: func() *exec.Cmd { return exec.Command("s6-svstat") },
	}
}

// s6Service writes the files of one service. The run script is the service's own program,
// so that there is no exec between, unless it has to wait for another service.
func s6Service(dir string, s Service) error {
	run := filepath.Join(dir, "run")
	if s.After == "" && s.Ready == "" {
		return os.Symlink(s.Command[0], run)
	}
	if s.Ready == "line" {
		return errUnsupported
	}
	if err := os.WriteFile(filepath.Join(dir, "notification-fd"), []byte("3\n"), 0o644); err != nil {
		return err
	}
	var text strings.Builder
	text.WriteString("#!/bin/sh\n")
	if s.After != "" {
		fmt.Fprintf(&text, "s6-svwait -U ../%s\n", s.After)
	}
	fmt.Fprintf(&text, "exec %s\n", strings.Join(s.Command, " "))
	return os.WriteFile(run, []byte(text.String()), 0o755)
}

// processComposePeer is process-compose without its screen.
func processComposePeer(bin string) Peer {
	command := func(p *place, args ...string) *exec.Cmd {
		cmd := exec.Command(bin, append([]string{"-U", "-u", p.path("pc.sock")}, args...)...)
		cmd.Dir = p.dir
		return cmd
	}
	return Peer{
		Name: "process-compose",
		Run: func(p *place, set Set) (*exec.Cmd, error) {
			// JSON is YAML, and needs no library.
			processes := map[string]any{}
			for _, s := range set.Services {
				proc := map[string]any{"command": strings.Join(s.Command, " ")}
				if s.Restart {
					proc["availability"] = map[string]any{"restart": "always", "backoff_seconds": 0}
				}
				probe := map[string]any{"period_seconds": 1}
				switch {
				case s.Ready == "fd":
					return nil, errUnsupported
				case s.Ready == "line":
					proc["ready_log_line"] = "ready"
				case s.HTTP > 0:
					probe["http_get"] = map[string]any{"host": "127.0.0.1", "port": s.HTTP, "path": "/" + s.Name}
					proc["readiness_probe"] = probe
				case s.Exec != "":
					probe["exec"] = map[string]any{"command": s.Exec}
					proc["readiness_probe"] = probe
				}
				if s.After != "" {
					proc["depends_on"] = map[string]any{s.After: map[string]any{"condition": "process_log_ready"}}
				}
				if set.Logs {
					proc["log_location"] = p.path("log-" + s.Name)
					proc["log_configuration"] = map[string]any{"rotation": map[string]any{"max_size_mb": 10, "max_backups": 5}}
				}
				processes[s.Name] = proc
			}
			text, err := json.Marshal(map[string]any{"version": "0.5", "processes": processes})
			if err != nil {
				return nil, err
			}
			if err := os.WriteFile(p.path("process-compose.yaml"), text, 0o644); err != nil {
				return nil, err
			}
			return command(p, "-t=false", "up"), nil
		},
		Status:  func(p *place) *exec.Cmd { return command(p, "process", "list", "-o", "wide") },
		Version: func() *exec.Cmd { return exec.Command(bin, "version") },
	}
}

// adapterPeer is any other supervisor, behind a program that somebody wrote for it:
// "ADAPTER run DIR" runs DIR/services.json in the foreground until SIGTERM, "ADAPTER
// status DIR" prints the states, and "ADAPTER version" nothing but the version. It ends
// with 3 when the supervisor can't do what the set asks for.
func adapterPeer(name, adapter string) Peer {
	return Peer{
		Name: name,
		Run: func(p *place, set Set) (*exec.Cmd, error) {
			return exec.Command(adapter, "run", p.dir), p.write(set)
		},
		Status:  func(p *place) *exec.Cmd { return exec.Command(adapter, "status", p.dir) },
		Version: func() *exec.Cmd { return exec.Command(adapter, "version") },
	}
}
