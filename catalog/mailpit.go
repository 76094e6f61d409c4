package catalog

import "nix2gpu/project"

// mailpit catches mail.
var mailpit = ServiceType{
	Name: "mailpit", Aliases: []string{"mailhog"}, Package: "mailpit", User: "mailpit",
	Doc: "Mailpit, which catches the mail of what is tested, and shows it; in place of MailHog as well. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"ui", "set"},
		{"  host", "string = 127.0.0.1", "The address of the web interface and the API; \"0.0.0.0\" is all."},
		{"  port", "port = 8025", "Their port."},
		{"api", "set"}, // in MailHog, a server of its own
		{"  host", "null string", "The same as ui.host, in the words of MailHog."},
		{"  port", "null port", "The same as ui.port."},
		{"listen", "null string ~ 127.0.0.1:8025", "Address and port of both, instead of ui."},
		{"smtp", "set"},
		{"  host", "string = 127.0.0.1", "The address that takes mail; \"0.0.0.0\" is all."},
		{"  port", "port = 1025", "The port that takes mail."},
		{"database", "null file", "The file of the mail; in dataDir unless set."},
		{"max", "unsigned = 500", "How many messages are kept; 0 is all."},
		{"webroot", "null string ~ /mail/", "The path before those of the web interface."},
		{"uiAuthFile", "null key", "A file of users and hashes of passwords for the web interface, as htpasswd writes it, read at each start with the rights of whoever starts nix2gpu."},
		{"smtpAuthFile", "null key", "The same for those who send mail; without TLS it takes smtp-auth-allow-insecure, too."},
		{"extraArgs", "list string", "Further arguments of mailpit."},
		{"extraOptions", "alias extraArgs"},
	},
	table: &table{
		extra: "extraArgs",
		endpoints: []endpoint{
			{name: "web", port: "ui.port", address: "ui.host", ports: []string{"api.port"}, hosts: []string{"api.host"}, both: []string{"--listen -l", "environment.MP_UI_BIND_ADDR", "listen"}},
			{name: "smtp", port: "smtp.port", address: "smtp.host", both: []string{"--smtp -s", "environment.MP_SMTP_BIND_ADDR"}},
			{name: "pop3", both: []string{"--pop3", "environment.MP_POP3_BIND_ADDR"}},
		},
		argv: []string{"{bin/mailpit}", "--listen={web}", "--smtp={smtp}", "--database={database|data/mailpit.db}",
			"--max={max}", "--webroot={webroot}", "--ui-auth-file={uiAuthFile}", "--smtp-auth-file={smtpAuthFile}", "--disable-version-check", "{extraArgs...}"},
		dirs:  []string{"{data} 0750 keep"},
		ready: ready{listener: "web", http: "{webroot?}/readyz", guard: []string{"--ui-tls-cert"}},
		finish: func(in *tableInstance, _ *project.Process) {
			for _, option := range []string{"host", "port"} {
				if api := in.Get("api", option); api.Has() && in.IsSet("ui", option) && in.scalar(api).String() != in.scalar(in.Get("ui", option)).String() {
					api.Errorf("Mailpit has its API where the web interface is\n  hint: set ui.%s alone", option)
				}
			}
		},
	},
}
