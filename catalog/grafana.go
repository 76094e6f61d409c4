package catalog

import (
	"path"
	"slices"
	"strings"

	"nix2gpu/project"
)

// grafana shows metrics.
var grafana = ServiceType{
	Name: "grafana", Package: "grafana", User: "grafana",
	Doc: "Grafana, which shows metrics. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"port", "port = 3000", "The port to listen on."},
		{"http_port", "alias port"},
		{"listenAddress", "string = 127.0.0.1", "The address to listen on; \"\" is all."},
		{"domain", "string = localhost", "The name under which browsers reach the server."},
		{"protocol", "enum http https", "How browsers reach the server."},
		{"settings", "attrs attrs null string | int | float | bool", "Sections of grafana.ini."},
		{"extraConf", "attrs attrs null string | int | float | bool", "The same as settings, in the words of services-flake."},
		{"datasources", "list attrs json", "Data sources, in Grafana's own words."},
		{"deleteDatasources", "list attrs json", "Data sources to delete."},
		{"providers", "list attrs json", "Providers of dashboards, in Grafana's own words."},
		{"declarativePlugins", "null list file", "Folders of plugins, each with the plugin's id as its name; beside those in the folder plugins of dataDir."},
		{"provision", "set"}, // in the words of NixOS
		{"  enable", "inert bool", "what the options beside it say is provided always"},
		{"  datasources", "set"},
		{"    settings", "null attrs json", "What a file of data sources has: datasources, deleteDatasources."},
		{"    path", "null file", "A file of data sources."},
		{"  dashboards", "set"},
		{"    settings", "null attrs json", "What a file of dashboards' providers has: providers."},
		{"    path", "null file", "A file of dashboards' providers."},
		{"  alerting", "set"},
		{"    rules", "set"},
		{"      settings", "null attrs json", "What a file of rules has: groups, deleteRules."},
		{"      path", "null file", "A file of rules."},
		{"    contactPoints", "set"},
		{"      settings", "null attrs json", "What a file of contact points has: contactPoints, deleteContactPoints."},
		{"      path", "null file", "A file of contact points."},
		{"    policies", "set"},
		{"      settings", "null attrs json", "What a file of notification policies has: policies, resetPolicies."},
		{"      path", "null file", "A file of notification policies."},
		{"    templates", "set"},
		{"      settings", "null attrs json", "What a file of templates has: templates, deleteTemplates."},
		{"      path", "null file", "A file of templates."},
		{"    muteTimings", "set"},
		{"      settings", "null attrs json", "What a file of mute timings has: muteTimes, deleteMuteTimes."},
		{"      path", "null file", "A file of mute timings."},
	},
	table: &table{
		endpoints: []endpoint{{name: "web", port: "port", address: "listenAddress",
			ports: []string{"environment.GF_SERVER_HTTP_PORT", "settings.server.http_port", "extraConf.server.http_port"},
			hosts: []string{"environment.GF_SERVER_HTTP_ADDR", "settings.server.http_addr", "extraConf.server.http_addr"}}},
		argv: []string{"{bin/grafana}", "server", "--config", "{run/grafana.ini}", "--homepath", "{pkg/share/grafana}"},
		dirs: []string{"{data} 0750 keep", "{data/plugins}", "{run/provisioning}", "{run/provisioning/dashboards}", "{run/provisioning/datasources}",
			"{run/provisioning/alerting}", "{run/provisioning/notifiers}", "{run/provisioning/plugins}"},
		configs: []config{
			{path: "/grafana.ini", format: "ini", overlay: []string{"extraConf", "settings"}, base: []entry{
				{"server/protocol", "{protocol}"}, {"server/http_addr", "{web.host?}"}, {"server/http_port", "{web.port}"}, {"server/domain", "{domain}"},
				{"log/mode", "console"},
				{"paths/data", "{data}"}, {"paths/plugins", "{data/plugins}"}, {"paths/logs", "{data/log}"}, {"paths/provisioning", "{run/provisioning}"},
			}},
			{path: "/provisioning/datasources/datasources.yaml", format: "json", base: []entry{
				{"apiVersion", 1}, {"datasources", whole("datasources")}, {"deleteDatasources", whole("deleteDatasources")}}},
			{path: "/provisioning/dashboards/providers.yaml", format: "json", base: []entry{{"apiVersion", 1}, {"providers", whole("providers")}}},
		},
		ready: ready{listener: "web", http: "/api/health", slow: true,
			scheme: []string{"environment.GF_SERVER_PROTOCOL", "settings.server.protocol", "extraConf.server.protocol", "protocol"}},
		finish: func(in *tableInstance, main *project.Process) {
			if plugins := grafanaPlugins(in); len(plugins) > 0 {
				main.Files[0] = in.table.configs[0].file(in, plugins...)
			}
			grafanaProvision(in, main)
		},
	},
}

// grafanaPlugins says where the plugins are. Grafana looks for them in one folder, and where
// the section of a plugin has a path.
func grafanaPlugins(in *tableInstance) (all []entry) {
	var known []string
	for _, folder := range in.Strs("declarativePlugins") {
		id := path.Base(folder.S)
		if len(folder.Context) > 0 { // a package: pkgs.grafanaPlugins.<id>
			id = id[strings.LastIndexByte(id, '.')+1:]
		}
		if slices.Contains(known, id) {
			in.Get("declarativePlugins").Errorf("two of the folders are named %q, and the plugin of a folder is known by its name", id)
		}
		known = append(known, id)
		all = append(all, entry{"plugin." + id + "/path", in.place.Path(folder)})
	}
	return all
}

// grafanaProvision writes what provision says, in files beside those of our own options:
// Grafana reads every file of these folders.
func grafanaProvision(in *tableInstance, main *project.Process) {
	for _, at := range [][]string{
		{"datasources"}, {"dashboards"},
		{"alerting", "rules"}, {"alerting", "contactPoints"}, {"alerting", "policies"}, {"alerting", "templates"}, {"alerting", "muteTimings"},
	} {
		c, file := in.Get(append([]string{"provision"}, at...)...), "/provisioning/"+at[0]+"/provision-"+at[len(at)-1]+".yaml"
		if c.Has("settings") && c.Has("path") {
			c.Get("path").Errorf("settings and path must not both be set")
		}
		if c.Has("settings") {
			tree := map[string]any{"apiVersion": int64(1)}
			main.Files = append(main.Files, in.jsonFile(file, mergeDeep(tree, c.Any("settings").(map[string]any))))
		}
		if c.Has("path") {
			main.Files = append(main.Files, project.File{Path: in.RunDir(file), Source: in.place.Path(c.Str("path")), Mode: "0400"})
		}
	}
}
