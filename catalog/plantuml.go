package catalog

// plantuml draws diagrams.
var plantuml = ServiceType{
	Name: "plantuml", Package: "plantuml", User: "plantuml",
	Doc: "PlantUML, which draws diagrams that are texts. The package of Debian 12 has no web server. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"port", "port = 8080", "The port to listen on."},
		{"host", "null string = 127.0.0.1", "The address to listen on; null is all."},
	},
	table: &table{
		endpoints: []endpoint{{name: "web", port: "port", address: "host"}},
		argv:      []string{"{bin/plantuml}", "?host -picoweb:{web.port}:{web.host}", "!host -picoweb:{web.port}"},
		ready:     ready{listener: "web", http: "/", slow: true},
	},
}
