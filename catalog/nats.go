package catalog

import "slices"

// nats is a message broker.
var nats = ServiceType{
	Name: "nats-server", Aliases: []string{"nats"}, Package: "nats-server", User: "nats",
	Doc: "NATS, a message broker.",
	rows: []row{
		{"port", "port = 4222", "The port to listen on."},
		{"bind", "string = 127.0.0.1", "The address to listen on; \"*\" is all."},
		{"monitorPort", "null port", "The port of the monitor, which is off unless set."},
		{"serverName", "null string", "The server's name, of which a cluster has each once; the instance's name unless set."},
		{"validateConfig", "inert bool", "the server tests its configuration at each start"},
		{"jetstream", "bool", "Whether JetStream keeps streams, in dataDir."},
		{"settings", "attrs json", "Further configuration, merged over what the other options say."},
	},
	table: &table{
		endpoints: slices.Concat([]endpoint{
			{name: "client", port: "port", address: "bind", anyHost: "0.0.0.0", ports: []string{"settings.port"}, hosts: []string{"settings.host", "settings.net"}, both: []string{"settings.listen"}},
			{name: "monitor", port: "monitorPort", beside: "client", when: natsMonitor},
			{name: "http", beside: "client", ports: []string{"settings.http_port", "settings.monitor_port"}, both: []string{"settings.http"}},
			{name: "https", beside: "client", ports: []string{"settings.https_port"}, both: []string{"settings.https"}},
		}, natsEndpoints()),
		argv: []string{"{bin/nats-server}", "-c", "{run/nats.conf}", "-sd", "{data}"},
		test: []string{"{bin/nats-server}", "-c", "{run/nats.conf}", "-sd", "{data}", "-t"},
		dirs: []string{"{data} 0750 keep"},
		configs: []config{{path: "/nats.conf", format: "json", overlay: []string{"settings"}, base: slices.Concat([]entry{
			{"server_name", "{serverName|instance}"},
			// Of two names of one setting the last one in the file would win, by the alphabet.
			{"!settings.listen !settings.net host", "{client.host}"}, {"!settings.listen port", number("{client.port}")},
			{natsMonitor + " http_port", number("{monitor.port}")},
			{"?jetstream jetstream", true}, // in the folder that -sd names
		}, natsHosts())}},
		ready: ready{listener: "client", protocol: "nats"},
	},
}

// natsMonitor is whether monitorPort is used: a monitor of settings takes its place.
const natsMonitor = "?monitorPort !settings.http !settings.http_port !settings.monitor_port !settings.https !settings.https_port"

// natsParts are the settings that are sets with a listener of their own. Without an address
// of its own a part would listen on all of them.
var natsParts = []string{"cluster", "gateway", "leafnodes", "leaf", "mqtt", "websocket", "ws"}

func natsEndpoints() (all []endpoint) {
	for _, part := range natsParts {
		at := "settings." + part
		all = append(all, endpoint{name: part, beside: "client", ports: []string{at + ".port"}, hosts: []string{at + ".host", at + ".net"}, both: []string{at + ".listen"}})
	}
	return all
}

func natsHosts() (all []entry) {
	for _, part := range natsParts {
		at := "settings." + part
		all = append(all, entry{"?" + at + ".port !" + at + ".net !" + at + ".listen " + part + "/host", "{" + part + ".host}"})
	}
	return all
}
