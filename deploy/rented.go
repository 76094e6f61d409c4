package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// A vastTemplate is a template in the format of vast.ai's API.
type vastTemplate struct {
	Name            string         `json:"name"`
	Image           string         `json:"image"`
	Env             string         `json:"env"` // flags of docker run: ports
	OnStart         string         `json:"onstart,omitempty"`
	RunType         string         `json:"runtype"`
	UseSSH          bool           `json:"use_ssh"`
	SSHDirect       bool           `json:"ssh_direct"`
	DockerLoginRepo string         `json:"docker_login_repo"`
	Disk            int            `json:"recommended_disk_space"` // GB
	Filters         map[string]any `json:"extra_filters,omitempty"`
	Private         bool           `json:"private"`
}

// vastOnStart runs boot in the background, because vast.ai's own entrypoint waits for
// the end of this script. It runs at every start; a second boot changes nothing.
const vastOnStart = command + " boot >>/var/log/nix2gpu.log 2>&1 &"

func vastFile(n *needs, opts Options) ([]byte, error) {
	t := vastTemplate{
		Name: n.p.Name, Image: opts.Image, RunType: "ssh", UseSSH: true, SSHDirect: true, OnStart: vastOnStart,
		DockerLoginRepo: registryOf(opts.Image), Disk: opts.Disk, Filters: map[string]any{}, Private: true,
	}
	if opts.Entrypoint {
		t.RunType, t.UseSSH, t.SSHDirect, t.OnStart = "args", false, false, ""
	}
	var flags []string
	for _, p := range n.ports {
		switch {
		case p.protocol == "sctp", p.number == ssh && t.UseSSH: // vast.ai's sshd has the port
		case p.protocol == "udp":
			flags = append(flags, fmt.Sprintf("-p %d:%d/udp", p.number, p.number))
		default:
			flags = append(flags, fmt.Sprintf("-p %d:%d", p.number, p.number))
		}
	}
	t.Env = strings.Join(flags, " ")
	if c := max(n.gpus.count, len(n.gpus.devices)); c > 0 {
		t.Filters["num_gpus"] = map[string]any{"eq": c}
	}
	if n.gpus.memory > 0 {
		t.Filters["gpu_ram"] = map[string]any{"gte": n.gpus.memory >> 20} // in MiB, like nvidia-smi
	}
	if version, ok := cudaVersion(n.p.Container.CUDA); ok {
		t.Filters["cuda_max_good"] = map[string]any{"gte": version}
	}
	return jsonText(t)
}

// cudaVersion returns the version of a set of packages such as cudaPackages_12_8.
func cudaVersion(attr string) (json.Number, bool) {
	version := strings.ReplaceAll(strings.TrimPrefix(attr, "cudaPackages_"), "_", ".")
	_, err := strconv.ParseFloat(version, 64)
	return json.Number(version), err == nil
}

// registryOf returns the registry's host in a reference, as engines write it.
func registryOf(image string) string {
	host, _, ok := strings.Cut(image, "/")
	if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return "docker.io"
	}
	return host
}

// A runpodTemplate is a template in the format of RunPod's API. It has no arguments, so
// the image's command runs.
type runpodTemplate struct {
	Name         string            `json:"name"`
	Image        string            `json:"image"`
	Args         string            `json:"args"`
	Disk         int               `json:"disk"` // GB
	Ports        []string          `json:"ports"`
	Env          map[string]string `json:"env"`
	Mounts       *runpodMounts     `json:"mounts,omitempty"`
	StartSSH     bool              `json:"startSsh"`
	StartJupyter bool              `json:"startJupyter"`
}

type runpodMounts struct {
	Persistent runpodVolume `json:"persistent"`
}

type runpodVolume struct {
	Size int    `json:"size"` // GB
	Path string `json:"path"`
}

func runpodFile(n *needs, opts Options) ([]byte, error) {
	t := runpodTemplate{Name: n.p.Name, Image: opts.Image, Disk: opts.Disk, Ports: []string{}, Env: map[string]string{}}
	for _, p := range n.ports {
		switch {
		case p.protocol != "tcp":
		case p.http:
			t.Ports = append(t.Ports, strconv.Itoa(p.number)+"/http")
		default:
			t.Ports = append(t.Ports, strconv.Itoa(p.number)+"/tcp")
		}
		// RunPod passes the account's keys to the container in PUBLIC_KEY.
		t.StartSSH = t.StartSSH || p.number == ssh && p.protocol == "tcp"
	}
	for _, v := range n.variables {
		if !v.optional || v.name != "SSH_PUBLIC_KEYS" {
			t.Env[v.name] = "{{ RUNPOD_SECRET_" + v.name + " }}"
		}
	}
	for _, where := range n.folders {
		if below(where, n.workingDir()) {
			t.Mounts = &runpodMounts{runpodVolume{opts.Volume, n.workingDir()}}
		}
	}
	return jsonText(t)
}

func jsonText(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // ">" stays readable
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.Bytes(), err
}
