package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// corpusFields are the fields of process-compose's format, taken by hand from its schema,
// schemas/process-compose-schema.json of 1.122.0. A name that the user gives is a *.
var corpusFields = map[string]string{
	"": "version name log_location log_level log_length log_configuration log_format processes environment shell is_strict vars disable_env_expansion " +
		"is_tui_disabled extends env_cmds ordered_shutdown file_names env_file_names dot_env_vars mcp_server",
	"shell": "shell_command shell_argument elevated_shell_command elevated_shell_argument",
	"processes.*": "name extends disabled is_daemon command entrypoint log_location log_configuration environment env_file availability depends_on liveness_probe " +
		"readiness_probe ready_log_line shutdown disable_ansi_colors working_dir namespace replicas description vars is_foreground is_tty is_elevated is_interactive " +
		"launch_timeout_seconds is_disabled is_dotenv_disabled original_config replica_num replica_name executable args schedule watch mcp truncate_log " +
		"is_template_disabled monitor_for monitor_silence_threshold success_exit_codes",
	"processes.*.availability":               "restart backoff_seconds max_restarts exit_on_end exit_on_skipped",
	"processes.*.depends_on.*":               "condition",
	"processes.*.schedule":                   "cron timezone interval run_on_start max_concurrent",
	"processes.*.shutdown":                   "command timeout_seconds signal parent_only send_keys",
	"processes.*.watch":                      "paths cascade debounce max_entries buffer_size disable_default_excludes",
	"processes.*.watch.paths":                "path include exclude",
	"processes.*.readiness_probe":            "exec http_get initial_delay_seconds period_seconds timeout_seconds success_threshold failure_threshold",
	"processes.*.readiness_probe.exec":       "command working_dir",
	"processes.*.readiness_probe.http_get":   "host path scheme port num_port headers status_code",
	"processes.*.log_configuration":          "rotation fields_order disable_json timestamp_format no_color no_metadata add_timestamp flush_each_line",
	"processes.*.log_configuration.rotation": "directory filename max_size_mb max_backups max_age_days compress",
	"processes.*.mcp":                        "type arguments timeout",
	"processes.*.mcp.arguments":              "name type description required default",
	"mcp_server":                             "host port transport timeout expose_control_tools trusted_hosts",
}

// corpusNotOurs are the fields of which no file of the corpus has to show anything, and why.
var corpusNotOurs = map[string]string{
	"processes.*.mcp.":      "a process with mcp is refused, whatever it has",
	"mcp_server.":           "a file with mcp_server is refused, whatever it has",
	"shell.elevated_shell_": "nothing runs through sudo: is_elevated-as_root",
}

// corpusAlike are parts of the format that have the fields of another part.
var corpusAlike = strings.NewReplacer("processes.*.liveness_probe.", "processes.*.readiness_probe.")

// TestCorpusHasEveryField checks that each field of the format is in a file of the corpus,
// which shows what it does, or is said to be not ours.
func TestCorpusHasEveryField(t *testing.T) {
	found := map[string]bool{}
	for _, f := range corpus(t) {
		for name, text := range f.files {
			if strings.HasSuffix(name, ".yaml") {
				fieldsIn(text, found)
			}
		}
		fieldsIn(f.yaml, found)
	}
	known := map[string]bool{}
	for at, names := range corpusFields {
		for name := range strings.FieldsSeq(names) {
			path := strings.TrimPrefix(at+"."+name, ".")
			known[path] = true
			ours := true
			for prefix := range corpusNotOurs {
				ours = ours && !strings.HasPrefix(path, prefix)
			}
			if ours && !found[path] {
				t.Errorf("no file of %s has %s", corpusDir, path)
			}
		}
	}
	for prefix, why := range corpusNotOurs {
		some := false
		for path := range known {
			some = some || strings.HasPrefix(path, prefix)
		}
		if !some || why == "" {
			t.Errorf("%s is no field, or has no reason", prefix)
		}
	}
}

// fieldsIn adds the paths of the fields of a file. One that can't be read has none.
func fieldsIn(text string, found map[string]bool) {
	var root any
	if yaml.Unmarshal([]byte(text), &root) != nil {
		return
	}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(at, item)
			}
		case map[string]any:
			last := at[strings.LastIndex(at, ".")+1:]
			for key, value := range v {
				if slices.Contains([]string{"processes", "depends_on", "vars", "env_cmds", "headers", "environment", "dot_env_vars"}, last) {
					key = "*"
				}
				path := strings.TrimPrefix(at+"."+key, ".")
				found[path] = true
				found[corpusAlike.Replace(path)] = true
				if last, ok := strings.CutPrefix(path, "log_configuration."); ok { // of all processes
					found["processes.*.log_configuration."+last] = true
				}
				walk(path, value)
			}
		}
	}
	walk("", root)
}
