package catalog

import (
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// A plannedType is a service whose options are accepted and checked, and which
// this build cannot run: what a definition says about it stays valid.
type plannedType struct {
	name, attr, doc string
	aliases         []string
	port            int    // 0: none
	portOption      string // another name of the option port
	portDoc         string
	more            module.Options
}

// plannedTypes lists the types of services that cannot be run yet.
func plannedTypes() []*ServiceType {
	json := func(doc string) module.Option { return def(module.AttrsOf(module.JSON), map[string]any{}, doc) }
	var out []*ServiceType
	for _, t := range []plannedType{
		{name: "clickhouse", attr: "clickhouse", doc: "ClickHouse, a database for analytics.", port: 9000,
			more: module.Options{"extraConfig": json("Settings of the server."), "initialDatabases": def(module.ListOf(module.JSON), []any{}, "Databases to make.")}},
		{name: "grafana", attr: "grafana", doc: "Grafana, which shows metrics.", port: 3000, portOption: "http_port",
			more: module.Options{"settings": json("Sections of grafana.ini."), "extraConf": json("Sections of grafana.ini."),
				"datasources": def(module.ListOf(module.JSON), []any{}, "Where data comes from."), "providers": def(module.ListOf(module.JSON), []any{}, "Where dashboards come from.")}},
		{name: "jaeger", attr: "jaeger", doc: "Jaeger, which collects traces.", port: 16686, portDoc: "The port of the web interface."},
		{name: "apache-kafka", aliases: []string{"kafka"}, attr: "apacheKafka", doc: "Kafka, a log of events.", port: 9092,
			more: module.Options{"settings": json("Lines of server.properties.")}},
	} {
		out = append(out, t.serviceType())
	}
	return out
}

func (t plannedType) serviceType() *ServiceType {
	options := module.Options{}
	for name, o := range t.more {
		options[name] = o
	}
	if t.port != 0 {
		doc := t.portDoc
		if doc == "" {
			doc = "The port to listen on."
		}
		options["port"] = def(module.Port, t.port, doc)
		if t.portOption != "" {
			options[t.portOption] = module.Option{AliasOf: []string{"port"}}
		}
	}
	return &ServiceType{
		Name: t.name, Aliases: t.aliases, Package: t.attr, Doc: t.doc, Options: options, Freeform: module.JSON,
		Generate: func(in *Instance) {
			if t.port != 0 {
				in.Listen(in.Int("port"), "", "port")
			}
			in.Main(project.Command{})
			in.Unsupported("%s can't run yet: run it as services.custom.%s with a command of your own", t.name, in.Name)
		},
	}
}
