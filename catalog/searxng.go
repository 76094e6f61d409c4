package catalog

import "nix2gpu/project"

// searxng asks many search engines.
var searxng = ServiceType{
	Name: "searxng", Aliases: []string{"searx"}, Package: "searxng", User: "searxng",
	Doc: "SearXNG, which asks many search engines. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"host", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"port", "port = 8080", "The port to listen on."},
		{"use_default_settings", "bool = true", "Whether settings are merged over SearXNG's own."},
		{"secret_key", "null secret", "What forms are signed with; \"secret\", which everyone knows, unless set. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"secret_keyFile", "null key", "A file that holds that key, read at each start with the rights of whoever starts nix2gpu."},
		{"settings", "attrs json e.g. { search.safe_search = 1; }", "Further settings, in SearXNG's own words."},
		{"settingsFile", "null file", "A file with all settings, instead of settings. Where it listens is said by host and port all the same."},
		{"redisCreateLocally", "refused bool", "enable an instance of redis, and set settings.redis.url to where it is"},
		{"limiterSettings", "refused attrs json", "SearXNG reads them from /etc/searxng/limiter.toml: put that file into the image with copyToRoot"},
		{"runInUwsgi", "refused bool", "SearXNG serves HTTP itself; nginx can be before it"},
		{"uwsgiConfig", "refused attrs json", "SearXNG serves HTTP itself: host and port say where"},
	},
	table: &table{
		endpoints: []endpoint{{name: "web", port: "port", address: "host", anyHost: "0.0.0.0",
			ports: []string{"environment.SEARXNG_PORT", "settings.server.port"}, hosts: []string{"environment.SEARXNG_BIND_ADDRESS", "settings.server.bind_address"}}},
		argv: []string{"{bin/searxng-run}"},
		env:  []string{"SEARXNG_SETTINGS_PATH={settingsFile|run/settings.yml}", "SEARXNG_BIND_ADDRESS=?settingsFile {web.host}", "SEARXNG_PORT=?settingsFile {web.port}"},
		configs: []config{{path: "/settings.yml", format: "json", instead: "settingsFile", overlay: []string{"settings"}, base: []entry{
			{"use_default_settings", whole("use_default_settings")}, {"server/bind_address", "{web.host}"}, {"server/port", number("{web.port}")}, {"server/secret_key", "secret"},
		}}},
		ready: ready{listener: "web", http: "/healthz", slow: true},
		finish: func(in *tableInstance, main *project.Process) {
			if key := in.secretText(in.Config, "secret_key", "secret_key"); key != nil {
				main.Env["SEARXNG_SECRET"] = project.Value{Text: key, Secret: true}
			}
		},
	},
}
