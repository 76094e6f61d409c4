package catalog

import (
	"net/url"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// prometheusType collects metrics.
func prometheusType() *ServiceType {
	return &ServiceType{
		Name: "prometheus", Package: "prometheus", User: "prometheus",
		Doc: "Prometheus, which collects metrics.",
		Options: module.Options{
			"port":           def(module.Port, 9090, "The port to listen on."),
			"listenAddress":  def(module.String, "127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."),
			"globalConfig":   def(module.AttrsOf(module.JSON), map[string]any{}, "The global section of the configuration."),
			"scrapeConfigs":  def(module.ListOf(module.AttrsOf(module.JSON)), []any{}, "What to collect."),
			"ruleFiles":      def(module.ListOf(filePath), []any{}, "Files of rules."),
			"rules":          def(module.ListOf(module.Lines), []any{}, "Rules, each the text of a file."),
			"alertmanagers":  def(module.ListOf(module.AttrsOf(module.JSON)), []any{}, "Where to send alerts."),
			"extraConfig":    def(module.AttrsOf(module.JSON), map[string]any{}, "Further configuration, merged over what the other options say."),
			"retentionTime":  opt(module.String, "How long samples are kept, such as \"15d\"."),
			"webExternalUrl": opt(module.String, "The URL under which others reach the server."),
			"extraFlags":     def(module.ListOf(module.String), []any{}, "Further arguments of prometheus."),
		},
		Generate: generatePrometheus,
	}
}

func generatePrometheus(in *Instance) {
	config := map[string]any{"global": mergeDeep(map[string]any{
		"scrape_interval": module.Str{S: "15s"}, "evaluation_interval": module.Str{S: "15s"},
	}, in.attrs("globalConfig"))}
	lists := map[string]any{"scrape_configs": in.Any("scrapeConfigs")}
	var rules []any
	for _, s := range in.Strs("ruleFiles") {
		rules = append(rules, rootedPath(s))
	}
	for key, list := range lists {
		if l, ok := list.([]any); ok && len(l) > 0 {
			config[key] = l
		}
	}
	if l, ok := in.Any("alertmanagers").([]any); ok && len(l) > 0 {
		config["alerting"] = map[string]any{"alertmanagers": l}
	}

	own := in.Strings("extraFlags")
	host, port, portPath := in.String("listenAddress"), in.Int("port"), []string{"port"}
	listen, given := flagValue(own, "--web.listen-address", "-web.listen-address")
	if h, n, ok := splitHostPort(listen); ok {
		host, port, portPath = h, n, []string{"extraFlags"}
	}
	main := in.Main(project.Command{})
	for i, s := range in.Strs("rules") {
		name := "rules." + strconv.Itoa(i+1) + ".yml"
		main.Files = append(main.Files, project.File{Path: in.RunDir("/" + name), Content: in.place.Text(s)})
		rules = append(rules, module.Str{S: name}) // relative to the configuration
	}
	if len(rules) > 0 {
		config["rule_files"] = rules
	}
	main.Files = append(main.Files, in.jsonFile("/prometheus.yml", mergeDeep(config, in.attrs("extraConfig"))))
	words := []project.Text{in.Program("prometheus"), flag("config.file", in.RunDir("/prometheus.yml")), flag("storage.tsdb.path", in.DataDir())}
	if !given { // twice is an error
		words = append(words, litFlag("web.listen-address", hostPort(host, port)))
	}
	if in.Has("retentionTime") {
		words = append(words, litFlag("storage.tsdb.retention.time", in.String("retentionTime")))
	}
	if in.Has("webExternalUrl") {
		words = append(words, litFlag("web.external-url", in.String("webExternalUrl")))
	}
	for _, s := range in.Strs("extraFlags") {
		words = append(words, in.place.Text(s))
	}
	main.Command.Exec = words
	main.Test = &project.ConfigTest{Command: project.Command{Exec: []project.Text{in.Program("promtool"), project.Lit("check"), project.Lit("config"), in.RunDir("/prometheus.yml")}}}
	main.Dirs = []project.Dir{in.KeptData("0750")}
	main.Readiness = &project.Probe{HTTP: &project.HTTPCheck{Host: reachable(host), Port: port, Path: prometheusPrefix(in, own) + "/-/ready"}, Period: slowStart}
	if _, ok := flagValue(own, "--web.config.file", "-web.config.file"); ok { // TLS, or passwords
		main.Readiness = &project.Probe{TCP: &project.TCPCheck{Host: reachable(host), Port: port}, Period: slowStart}
	}
	in.Listen(port, everywhere(host), portPath...)
}

// prometheusPrefix is what all paths of the server begin with: that of the
// address under which others reach it, unless a flag says otherwise.
func prometheusPrefix(in *Instance, flags []string) string {
	external := in.String("webExternalUrl")
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
	return strings.TrimRight("/"+strings.Trim(prefix, "/"), "/")
}
