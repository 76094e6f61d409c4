package container

// ImageEnv is what boot needs in the environment that an image has.
func ImageEnv() []string { return []string{"NIX2GPU_CONTAINER=1"} }

// ImageFiles are what an image has for its shell, by path. Debian's own
// /etc/bash.bashrc sets a prompt whatever the environment says; this one gives
// way to who has set another.
func ImageFiles() map[string]string {
	return map[string]string{
		"/etc/bash.bashrc": `# For interactive shells, see bash(1). What PS1 is by itself becomes ours; one that
# was set in the environment stays.
case ${PS1-} in
'\s-\v\$ ') PS1='\u@container:\w\$ ' ;;
esac
shopt -s checkwinsize
`,
	}
}
