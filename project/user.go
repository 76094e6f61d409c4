package project

import (
	"maps"
	"sync"
)

// A User is an account that processes run as. Its ids are used only where a machine has
// no account of that name, as in an image, where the scripts of packages do not run.
type User struct {
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
	Home string `json:"home"`
}

// systemUsers returns the accounts of the servers that nix2gpu knows. An id never
// changes and is never used again, because files on volumes belong to it. Accounts that
// every Debian has keep their numbers. Ours begin at 900, which neither adduser, which
// counts up from 100, nor systemd, which counts down from 999, will reach soon.
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

		"zookeeper":     {915, 915, "/var/lib/zookeeper"},
		"pgbouncer":     {916, 916, "/nonexistent"},
		"etcd":          {917, 917, "/var/lib/etcd"},
		"alertmanager":  {918, 918, "/nonexistent"},
		"node-exporter": {919, 919, "/nonexistent"},
		"azurite":       {920, 920, "/nonexistent"},
		"loki":          {921, 921, "/nonexistent"},
		"tempo":         {922, 922, "/nonexistent"},
		"pyroscope":     {923, 923, "/nonexistent"},
		"alloy":         {924, 924, "/nonexistent"},
		"mailpit":       {925, 925, "/nonexistent"},
		"seaweedfs":     {926, 926, "/nonexistent"},
		"elasticmq":     {927, 927, "/nonexistent"},
		"plantuml":      {928, 928, "/nonexistent"},
		"dynamodb":      {929, 929, "/nonexistent"},

		"mongodb":         {931, 931, "/var/lib/mongodb"},
		"elasticsearch":   {932, 932, "/nonexistent"},
		"cassandra":       {933, 933, "/var/lib/cassandra"},
		"qdrant":          {934, 934, "/nonexistent"},
		"weaviate":        {935, 935, "/nonexistent"},
		"chromadb":        {936, 936, "/nonexistent"},
		"neo4j":           {937, 937, "/var/lib/neo4j"},
		"open-webui":      {938, 938, "/nonexistent"},
		"pgadmin":         {939, 939, "/nonexistent"},
		"searxng":         {940, 940, "/nonexistent"},
		"tika":            {941, 941, "/nonexistent"},
		"pubsub-emulator": {942, 942, "/nonexistent"},
		"mlflow":          {943, 943, "/nonexistent"},
	}
})

// SystemUsers returns the accounts of the servers that nix2gpu knows, by name.
func SystemUsers() map[string]User { return maps.Clone(systemUsers()) }

// DeclareUsers adds to p.Users each known account that a process, folder or file of p
// names.
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
