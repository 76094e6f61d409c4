package project

import (
	"maps"
	"sync"
)

// A User is an account that processes run as. Where a machine has one of that
// name, the machine's ids hold; these are for where it has none, as in an image
// that is made without the scripts of packages.
type User struct {
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
	Home string `json:"home"`
}

// systemUsers are the accounts of the servers that nix2gpu knows. An id never
// changes and is never given again: files on volumes bear it. Those that Debian
// has in every image keep its numbers; ours begin at 900, where neither adduser,
// which counts up from 100, nor systemd, which counts down from 999, gets soon.
var systemUsers = sync.OnceValue(func() map[string]User {
	return map[string]User{
		"www-data": {33, 33, "/var/www"},
		"nobody":   {65534, 65534, "/nonexistent"},

		"postgres":   {900, 900, "/var/lib/postgresql"},
		"redis":      {901, 901, "/var/lib/redis"},
		"mysql":      {902, 902, "/nonexistent"},
		"rabbitmq":   {903, 903, "/var/lib/rabbitmq"},
		"prometheus": {904, 904, "/var/lib/prometheus"},
		"memcache":   {905, 905, "/nonexistent"},
		"nats":       {906, 906, "/nonexistent"},
		"caddy":      {907, 907, "/var/lib/caddy"},
		"grafana":    {908, 908, "/usr/share/grafana"},
		"jaeger":     {909, 909, "/nonexistent"},
		"kafka":      {910, 910, "/nonexistent"},
		"clickhouse": {911, 911, "/var/lib/clickhouse"},
		"ollama":     {912, 912, "/usr/share/ollama"},
		"minio":      {913, 913, "/nonexistent"},
		"sshd":       {914, 914, "/run/sshd"},
	}
})

// SystemUsers are the accounts of the servers that nix2gpu knows, by name.
func SystemUsers() map[string]User { return maps.Clone(systemUsers()) }

// DeclareUsers adds to p each known account that one of its processes, folders
// or files names.
func (p *Project) DeclareUsers() {
	add := func(name string) {
		if u, ok := systemUsers()[name]; ok {
			if p.Users == nil {
				p.Users = map[string]User{}
			}
			p.Users[name] = u
		}
	}
	for _, proc := range p.Processes {
		add(proc.User)
		for _, d := range proc.Dirs {
			add(d.Owner)
		}
		for _, f := range proc.Files {
			add(f.Owner)
		}
	}
}
