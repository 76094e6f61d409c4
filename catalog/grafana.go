package catalog

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
	},
}
