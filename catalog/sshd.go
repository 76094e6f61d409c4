package catalog

import (
	"slices"
	"strconv"
	"strings"

	"nix2gpu/project"
)

// SSHD is the id of the container's own ssh server.
const SSHD project.ID = "sshd"

// Files that boot makes for sshd, in the folder that sshd requires for itself.
const (
	SSHDFolder      = "/run/sshd"
	SSHDHostKey     = SSHDFolder + "/ssh_host_ed25519_key"
	SSHDEnvironment = SSHDFolder + "/environment.conf" // SetEnv lines: what sessions get of the container's environment
)

// sshdConfig is the default configuration: it admits by keys only.
const sshdConfig = `Port 22
PermitRootLogin prohibit-password
PubkeyAuthentication yes
AuthenticationMethods publickey
PasswordAuthentication no
AuthorizedKeysFile .ssh/authorized_keys /run/sshd/authorized_keys
PermitEmptyPasswords no
KbdInteractiveAuthentication no
UsePAM no
X11Forwarding no
PrintMotd no
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
`

// AddSystem adds the services that every container has beside those of its definition.
// They are part of the project, so that ps shows them and a reload keeps them, and only
// boot starts them. A service of the definition with the same name replaces one.
func AddSystem(p *project.Project) {
	if p.Services[SSHD] != nil || p.Processes[SSHD] != nil {
		return
	}
	p.Services, p.Processes, p.Files = orNew(p.Services), orNew(p.Processes), orNew(p.Files)
	p.Users = orNew(p.Users)
	p.Users["sshd"] = project.SystemUsers()["sshd"] // sshd runs as it before authentication

	config := p.Container.SSHDConfig
	if config == "" {
		config = sshdConfig
	}
	if !strings.HasSuffix(config, "\n") {
		config += "\n"
	}
	// Of several lines with SetEnv sshd takes the first: one that is given stays
	// the first.
	if !strings.Contains(strings.ToLower(config), "setenv") {
		config = "Include " + SSHDEnvironment + "\n" + config
	}
	const file = "sshd/sshd_config"
	p.Files[file] = &project.File{Content: project.Lit(config), Mode: "0600"}
	p.Services[SSHD] = &project.Service{
		ID: SSHD, Type: "sshd", Instance: "sshd", Label: "sshd", Main: SSHD, Disabled: true, System: true,
		Description: "lets in whoever has a key", Ports: sshdPorts(config),
	}
	p.Processes[SSHD] = &project.Process{
		ID: SSHD, Service: SSHD, Role: project.Main, User: "root",
		Command: project.Command{Exec: []project.Text{
			project.PackagePath("openssh", "/bin/sshd"), project.Lit("-D"), project.Lit("-e"),
			project.Lit("-h"), project.Lit(SSHDHostKey),
			project.Lit("-o"), project.Lit("PidFile=none"),
			project.Lit("-f"), project.FilePath(file),
		}},
		Packages: []project.PackageRef{{Attr: "openssh"}},
		Restart:  project.Restart{Policy: project.RestartOnFailure},
		// Sessions outlive a restart of the server.
		KillMode: project.KillProcess,
	}
}

// sshdPorts returns the ports that a configuration names outside of Match blocks, on
// all addresses unless it names some.
func sshdPorts(config string) []project.Port {
	var ports []project.Port
	address := "*"
	add := func(n int) {
		if !slices.ContainsFunc(ports, func(p project.Port) bool { return p.Port == n }) {
			ports = append(ports, project.Port{Port: n})
		}
	}
	for line := range strings.Lines(config) {
		words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n=", r) })
		if len(words) < 2 {
			continue
		}
		if strings.EqualFold(words[0], "match") {
			break
		}
		if strings.EqualFold(words[0], "listenaddress") {
			address = ""
		}
		if strings.EqualFold(words[0], "port") {
			if n, err := strconv.Atoi(words[1]); err == nil && n > 0 && n < 65536 {
				add(n)
			}
		}
	}
	if len(ports) == 0 {
		add(22)
	}
	for i := range ports {
		ports[i].Address = address
	}
	return ports
}
