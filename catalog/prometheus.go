package catalog

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// prometheus collects metrics.
var prometheus = ServiceType{
	Name: "prometheus", Package: "prometheus", User: "prometheus",
	Doc: "Prometheus, which collects metrics.",
	rows: []row{
		{"port", "port = 9090", "The port to listen on."},
		{"listenAddress", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"globalConfig", "attrs json", "The global section of the configuration."},
		{"scrapeConfigs", "list attrs json", "What to collect."},
		{"ruleFiles", "list file", "Files of rules."},
		{"rules", "list lines", "Rules, each the text of a file."},
		{"alertmanagers", "list attrs json", "Where to send alerts."},
		{"alertmanagerNotificationQueueCapacity", "null positive", "How many alerts wait for an Alertmanager at most."},
		{"remoteRead", "list attrs json", "Where else to read samples."},
		{"remoteWrite", "list attrs json", "Where else to write samples."},
		{"configText", "null lines", "The configuration as text, instead of what these options say."},
		{"webConfigFile", "null file", "A file with what the server needs for TLS and passwords."},
		{"enableAgentMode", "bool", "Collect and pass on by remoteWrite alone, without a database of its own, rules and alerts."},
		{"checkConfig", "inert bool | string", "the configuration is tested at each start"},
		{"stateDir", "refused string", "set dataDir"},
		{"enableReload", "inert bool", "a change restarts the service"},
		{"extraConfig", "attrs json", "Further configuration, merged over what the other options say."},
		{"retentionTime", "null string", "How long samples are kept, such as \"15d\"."},
		{"webExternalUrl", "null string", "The URL under which others reach the server."},
		{"extraFlags", "list string", "Further arguments of prometheus."},
	},
	table: &table{
		extra:     "extraFlags",
		endpoints: []endpoint{{name: "web", port: "port", address: "listenAddress", both: []string{"--web.listen-address -web.listen-address"}}},
		argv: []string{"{bin/prometheus}", "--config.file={run/prometheus.yml}", "!enableAgentMode --storage.tsdb.path={data}",
			"?enableAgentMode --enable-feature=agent", "?enableAgentMode --storage.agent.path={data}", "--web.listen-address={web}", "--web.config.file={webConfigFile}",
			"--alertmanager.notification-queue-capacity={alertmanagerNotificationQueueCapacity}", "--storage.tsdb.retention.time={retentionTime}", "--web.external-url={webExternalUrl}", "{extraFlags...}"},
		dirs: []string{"{data} 0750 keep"},
		configs: []config{{path: "/prometheus.yml", format: "json", overlay: []string{"extraConfig"}, base: []entry{
			{"global/scrape_interval", "15s"}, {"global/evaluation_interval", "15s"}, {"global", some("globalConfig")},
			{"scrape_configs", some("scrapeConfigs")}, {"alerting/alertmanagers", some("alertmanagers")},
			{"remote_read", some("remoteRead")}, {"remote_write", some("remoteWrite")},
		}}},
		test:   []string{"{bin/promtool}", "check", "config", "{run/prometheus.yml}"},
		ready:  ready{listener: "web", http: "/-/ready", slow: true, guard: []string{webConfig, "webConfigFile"}},
		finish: prometheusRules,
	},
}

// prometheusRules adds the files of rules, which the configuration names.
func prometheusRules(in *tableInstance, main *project.Process) {
	var names []any
	for _, s := range in.Strs("ruleFiles") {
		names = append(names, rootedPath(s))
	}
	var files []project.File
	for i, s := range in.Strs("rules") {
		name := "rules." + strconv.Itoa(i+1) + ".yml"
		files = append(files, project.File{Path: in.RunDir("/" + name), Content: in.place.Text(s)})
		names = append(names, module.Str{S: name}) // relative to the configuration
	}
	config := slices.IndexFunc(main.Files, func(f project.File) bool { return strings.HasSuffix(f.Path.String(), "/prometheus.yml") })
	if len(names) > 0 {
		main.Files[config] = in.table.configs[0].file(in, entry{"rule_files", names})
	}
	if in.Has("configText") {
		in.whole("configText", "port", "listenAddress", "retentionTime", "webExternalUrl", "webConfigFile", "enableAgentMode", "alertmanagerNotificationQueueCapacity", "extraFlags")
		main.Files[config] = project.File{Path: in.RunDir("/prometheus.yml"), Content: in.Text("configText"), Mode: "0640"}
	}
	main.Files = slices.Concat(files, main.Files)
	prometheusPrefix(in, main)
}

// webConfig names a file with TLS or passwords, for all servers of the Prometheus project.
const webConfig = "--web.config.file -web.config.file"

// prometheusPrefix puts before the probe's path what all paths of the server begin with:
// that of the address under which others reach it, unless a flag says otherwise.
func prometheusPrefix(in *tableInstance, main *project.Process) {
	if main.Readiness.HTTP == nil {
		return
	}
	flags, external := in.Strings("extraFlags"), in.String("webExternalUrl")
	if v, ok := flagValue(flags, "--web.external-url", "-web.external-url"); ok {
		external = v
	}
	prefix := ""
	if u, err := url.Parse(external); err == nil {
		prefix = u.Path
	}
	if v, ok := flagValue(flags, "--web.route-prefix", "-web.route-prefix"); ok {
		prefix = v
	}
	main.Readiness.HTTP.Path = strings.TrimRight("/"+strings.Trim(prefix, "/"), "/") + main.Readiness.HTTP.Path
}
