package catalog

import (
	"strconv"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// grafanaType shows metrics.
func grafanaType() *ServiceType {
	value := module.NullOr(module.OneOf(module.String, module.Int, module.Float, module.Bool))
	ini := module.AttrsOf(module.AttrsOf(value))
	list := module.ListOf(module.AttrsOf(module.JSON))
	return &ServiceType{
		Name: "grafana", Package: "grafana", User: "grafana",
		Doc: "Grafana, which shows metrics. Written after its documentation, and not yet tried with a real server.",
		Options: module.Options{
			"port":              def(module.Port, 3000, "The port to listen on."),
			"http_port":         {AliasOf: []string{"port"}},
			"listenAddress":     def(module.String, "127.0.0.1", "The address to listen on; \"\" is all."),
			"domain":            def(module.String, "localhost", "The name under which browsers reach the server."),
			"protocol":          def(module.Enum("http", "https"), "http", "How browsers reach the server."),
			"settings":          def(ini, map[string]any{}, "Sections of grafana.ini."),
			"extraConf":         def(ini, map[string]any{}, "The same as settings, in the words of services-flake."),
			"datasources":       def(list, []any{}, "Data sources, in Grafana's own words."),
			"deleteDatasources": def(list, []any{}, "Data sources to delete."),
			"providers":         def(list, []any{}, "Providers of dashboards, in Grafana's own words."),
		},
		Generate: generateGrafana,
	}
}

func generateGrafana(in *Instance) {
	server := func(key, env string) [][]string { // the settings that can say it; the first wins
		return [][]string{{"environment", env}, {"settings", "server", key}, {"extraConf", "server", key}}
	}
	port, portPath := in.portOf(in.Int("port"), []string{"port"}, server("http_port", "GF_SERVER_HTTP_PORT")...)
	address := in.textOf(in.String("listenAddress"), server("http_addr", "GF_SERVER_HTTP_ADDR")...)
	scheme := in.textOf(in.String("protocol"), server("protocol", "GF_SERVER_PROTOCOL")...)
	sections := map[string]map[string]project.Text{"server": {
		"protocol": project.Lit(in.String("protocol")), "http_addr": project.Lit(address),
		"http_port": project.Lit(strconv.Itoa(port)), "domain": project.Lit(in.String("domain")),
	}, "log": {"mode": project.Lit("console")}, "paths": {
		"data": in.DataDir(), "plugins": in.Data("/plugins"), "logs": in.Data("/log"), "provisioning": in.RunDir("/provisioning"),
	}}
	for _, option := range []string{"extraConf", "settings"} {
		for _, section := range in.Each(option) {
			if sections[section.Name()] == nil {
				sections[section.Name()] = map[string]project.Text{}
			}
			for _, c := range section.Each() {
				if c.Has() {
					sections[section.Name()][c.Name()] = in.scalar(c)
				}
			}
		}
	}
	b := &textBuilder{}
	for _, section := range sortedKeys(sections) {
		b.line("[%s]", section)
		for _, key := range sortedKeys(sections[section]) {
			b.add(project.Lit(key+" = "), sections[section][key], project.Lit("\n"))
		}
	}
	main := in.Main(project.Command{Exec: []project.Text{in.Program("grafana"), project.Lit("server"),
		project.Lit("--config"), in.RunDir("/grafana.ini"), project.Lit("--homepath"), project.Join(trimSuffix(in.Program("grafana"), "/bin/grafana"), project.Lit("/share/grafana"))}})
	main.Dirs = []project.Dir{in.KeptData("0750"), {Path: in.Data("/plugins")}, {Path: in.RunDir("/provisioning")}}
	for _, sub := range []string{"dashboards", "datasources", "alerting", "notifiers", "plugins"} {
		main.Dirs = append(main.Dirs, project.Dir{Path: in.RunDir("/provisioning/" + sub)})
	}
	main.Files = []project.File{
		{Path: in.RunDir("/grafana.ini"), Content: b.text, Mode: "0640"},
		in.jsonFile("/provisioning/datasources/datasources.yaml", map[string]any{
			"apiVersion": int64(1), "datasources": in.Any("datasources"), "deleteDatasources": in.Any("deleteDatasources")}),
		in.jsonFile("/provisioning/dashboards/providers.yaml", map[string]any{
			"apiVersion": int64(1), "providers": in.Any("providers")}),
	}
	main.Readiness = &project.Probe{HTTP: &project.HTTPCheck{Scheme: scheme, Host: reachable(address), Port: port, Path: "/api/health"}, Period: slowStart}
	in.Listen(port, everywhere(address), portPath...)
}
