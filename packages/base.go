package packages

// Tailscale is the attribute of what joins a container to a tailnet.
const Tailscale = "tailscale"

// Base are Debian's essential packages as far as a container without package
// scripts has a use for them. Every image has them.
func Base() []string {
	return []string{
		"base-files", "base-passwd", "bash", "ca-certificates", "coreutils", "dash", "debianutils", "diffutils", "findutils",
		"grep", "gzip", "hostname", "libc-bin", "mawk", "ncurses-base", "netbase", "procps", "sed", "tar",
	}
}
