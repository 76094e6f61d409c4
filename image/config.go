package image

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"nix2gpu/project"
)

// searchPath returns the PATH of the image: the usual folders, the one in which NVIDIA's
// runtime puts its programs, CUDA's, and our links.
func searchPath() string {
	dirs := []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/nvidia/bin", "/usr/local/cuda/bin", "/" + linksDir}
	return strings.Join(dirs, ":")
}

// DefaultWorkingDir is the working directory unless the definition names another one.
const DefaultWorkingDir = "/workspace"

// workingDir is the working directory of everything in the container.
func workingDir(p *project.Project) string {
	if p.Container.WorkingDir == "" {
		return DefaultWorkingDir
	}
	return p.Container.WorkingDir
}

// environment returns the Env of the image, for shells and for programs that the engine
// starts. Services get theirs from the project. Variables that are secret, or known
// only once the container runs, are left out; for secret ones there is a warning.
func environment(p *project.Project) (env []string, warnings []string) {
	values := map[string]string{
		"PATH": searchPath(),
		"LANG": "C.UTF-8",
		"PS1":  `\u@container:\w\$ `,

		"SSL_CERT_FILE": "/etc/ssl/certs/ca-bundle.crt",
	}
	maps.Copy(values, cudaEnv(p.Container.CUDA))
	for _, name := range slices.Sorted(maps.Keys(p.Container.Env)) {
		v := p.Container.Env[name]
		text, ok := inContainer(p, v.Text)
		switch {
		case !ok:
			continue
		case v.HoldsSecret(name):
			warnings = append(warnings, fmt.Sprintf("env.%s looks like a secret: it is not in the image's Env; services have it", name))
			continue
		}
		values[name] = text
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		env = append(env, name+"="+values[name])
	}
	return env, warnings
}

// inContainer resolves a text to its value in the container. It reports whether that is
// known before the container runs.
func inContainer(p *project.Project, t project.Text) (string, bool) {
	var b strings.Builder
	for _, part := range t {
		switch {
		case part.IsLiteral():
			b.WriteString(part.Literal)
		case part.Package != nil:
			b.WriteString(path.Join(bakedDir, part.Package.Attr) + part.Package.Sub)
		case part.Root != nil:
			b.WriteString(workingDir(p) + *part.Root)
		case part.Self:
			b.WriteString("/" + programPath)
		default:
			return "", false
		}
	}
	return b.String(), true
}

// exposedPorts returns the ports of the image, with ranges expanded.
func exposedPorts(p *project.Project) (map[string]struct{}, error) {
	ports := map[string]struct{}{}
	for _, exposed := range p.Container.ExposedPorts {
		numbers, protocol, _ := strings.Cut(exposed, "/")
		low, high, isRange := strings.Cut(numbers, "-")
		if !isRange {
			high = low
		}
		from, err := strconv.Atoi(low)
		if err != nil {
			return nil, fmt.Errorf("exposed port %q must be like \"8080/tcp\"", exposed)
		}
		to, err := strconv.Atoi(high)
		if err != nil || to < from {
			return nil, fmt.Errorf("exposed port %q must be like \"8080/tcp\"", exposed)
		}
		for n := from; n <= to; n++ {
			ports[fmt.Sprintf("%d/%s", n, protocol)] = struct{}{}
		}
	}
	return ports, nil
}

// config makes the configuration of the image.
func (b *builder) config(layers []*Layer) (*v1.ConfigFile, error) {
	p := b.project
	env, warnings := environment(p)
	b.warn(warnings...)
	ports, err := exposedPorts(p)
	if err != nil {
		return nil, err
	}
	labels := cudaLabels(p.Container.CUDA)
	labels["org.opencontainers.image.title"] = p.Name
	maps.Copy(labels, p.Container.Labels)
	maps.Copy(labels, b.spec.Labels)
	created := v1.Time{Time: b.created(layers)}
	c := &v1.ConfigFile{
		Architecture: b.spec.Arch, OS: "linux", Created: created,
		Config: v1.Config{
			Env: env, ExposedPorts: ports, Labels: labels, User: "root", WorkingDir: workingDir(p), StopSignal: "SIGTERM",
			Entrypoint: []string{"/" + programPath, "boot"},
		},
		RootFS: v1.RootFS{Type: "layers"},
	}
	if len(p.Enabled()) > 0 { // without services, nothing answers a health check
		c.Config.Healthcheck = &v1.HealthConfig{
			Test: []string{"CMD", "/" + programPath, "ready"}, Interval: 10 * time.Second, Timeout: 5 * time.Second, StartPeriod: 5 * time.Minute, Retries: 3,
		}
	}
	if b.under != nil {
		joinConfig(&c.Config, b.under.Config)
		if !slices.ContainsFunc(c.Config.Env, func(kv string) bool { return strings.HasPrefix(kv, "PROMPT_COMMAND=") }) {
			c.Config.Env = append(c.Config.Env, "PROMPT_COMMAND="+keepPrompt)
		}
		c.History = slices.Clone(b.under.History)
	}
	for _, l := range layers {
		if !l.Here() {
			c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.DiffID)
			continue // the base has its own history
		}
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.DiffID)
		c.History = append(c.History, v1.History{Created: created, CreatedBy: "nix2gpu build", Comment: l.Title})
	}
	return c, nil
}

// keepPrompt is run by bash before its first prompt, after the startup files of a base:
// those of Debian and Ubuntu set a prompt whatever PS1 is. A prompt with the host name,
// which in a container is an id, is replaced by the PS1 that the shell was started
// with. Any other prompt is somebody's own choice.
const keepPrompt = `case "$PS1" in *'\u@\h'*) while IFS= read -r -d '' REPLY; do case "$REPLY" in PS1=*) PS1=${REPLY#PS1=} ;; esac; done </proc/$$/environ ;; esac; unset PROMPT_COMMAND`

// created returns the time of the image: SOURCE_DATE_EPOCH, or else that of its newest
// file. The present time would make each build another image.
func (b *builder) created(layers []*Layer) time.Time {
	if b.spec.Epoch != nil {
		return b.spec.Epoch.UTC()
	}
	newest := ownTime().Unix()
	for _, l := range layers {
		newest = max(newest, l.newest)
	}
	return time.Unix(newest, 0).UTC()
}
