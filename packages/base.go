package packages

// Tailscale is the attribute of the package that joins a container to a tailnet.
const Tailscale = "tailscale"

// Base returns those of Debian's essential packages that a container has a use for when
// no package script runs in it. Every image has them.
func Base() []string {
	return []string{
		"base-files", "base-passwd", "bash", "ca-certificates", "coreutils", "dash", "debianutils", "diffutils", "findutils",
		"grep", "gzip", "hostname", "libc-bin", "mawk", "ncurses-base", "netbase", "procps", "sed", "tar",
	}
}
