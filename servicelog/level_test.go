package servicelog

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestLevels(t *testing.T) {
	for line, want := range map[string]string{
		"":       "",
		"hello":  "",
		"<3>bad": "err", "<6>fine": "info", "<30>daemon": "info", "<b>error</b>": "",
		`{"level":"error","msg":"x"}`: "err", " \t" + `{"level":"error"}`: "err", `{"severity":"WARNING"}`: "warning", `{"lvl":"dbug","level":"debug"}`: "debug",
		`{"level":30,"msg":"pino"}`: "info", `{"level":50}`: "err", `{"level":3}`: "err", `{"level":`: "", `{"a":1}`: "", `{"level":{"a":1},"lvl":"crit"}`: "crit",
		`{"msg":"level","a":{"level":"err"},"Severity" : "notice","x":["lvl","err"]}`: "notice", `{"level":"warn","msg":"cut of`: "warning", `{"msg":"\",\"level\":\"err\""}`: "",
		`{"level":"` + "\xff" + `"}`: "", `{"level":60.5}`: "", `{"level":99999999999999999999}`: "crit",
		// PostgreSQL
		"LOG:  database system is ready":                                                         "info",
		"ERROR:  relation \"x\" does not exist at character 15":                                  "err",
		"2026-11-26 06:19:37.123 UTC [42] FATAL:  role \"root\" does not exist":                  "crit",
		"2026-11-26 06:19:37.123 UTC [42] shop@shop WARNING:  there is no transaction":           "warning",
		"STATEMENT:  select 1 from error":                                                        "",
		"postgres: error: could not read":                                                        "err",
		"2026/11/26 06:19:37 [error] 12#12: *1 open() \"/x\" failed (2: No such file)":           "err",
		"2026/11/26 06:19:37 [notice] 12#12: start worker processes":                             "notice",
		"nginx: [emerg] bind() failed":                                                           "emerg",
		"[Thu Nov 26 06:19:37.123 2026] [core:error] [pid 1:tid 2] AH00126: Invalid URI":         "err",
		"[Thu Nov 26 06:19:37.123 2026] [mpm_event:notice] [pid 1:tid 2] AH00489: configured":    "notice",
		"1234:M 26 Nov 2026 06:19:37.123 * Ready to accept connections tcp":                      "notice",
		"1234:M 26 Nov 2026 06:19:37.123 # Warning: no config file specified":                    "warning",
		"1234:C 26 Nov 2026 06:19:37.123 - Accepted 127.0.0.1:4":                                 "info",
		"1234:M 26 Nov 2026 06:19:37.123 . 0 clients connected":                                  "debug",
		"2026-11-26  6:19:37 0 [Warning] 'user' entry ignored":                                   "warning",
		"2026-11-26  6:19:37 0 [Note] mariadbd: ready for connections.":                          "notice",
		"time=2026-11-26T06:19:37.123Z level=WARN source=main.go:1 msg=\"all right\"":            "warning",
		"ts=2026-11-26T06:19:37.123Z caller=main.go:1 level=info msg=ready":                      "info",
		"INFO:     Started server process [1]":                                                   "info",
		"ERROR:root:it broke":                                                                    "err",
		"2026-11-26 06:19:37,123 - worker - ERROR - it broke":                                    "err",
		"\x1b[32mINFO\x1b[0m ready":                                                              "info",
		"2026-11-26 06:19:37.123  INFO 1 --- [main] o.s.Application : started":                   "info",
		"E1126 06:19:37.123456       1 main.go:1] broken":                                        "err",
		"127.0.0.1 - - [26/Nov/2026:06:19:37 +0000] \"GET /ERROR HTTP/1.1\" 200 5 \"-\" \"c/1\"": "",
		"there was no error":                   "",
		"2026-11-26T06:19:37Z\tinfo\tready":    "info",
		"error: no":                            "err",
		"ERROR":                                "err",
		"error":                                "",
		"error handling is done by the caller": "",
		"Warning: low on space":                "warning",
		"Log files are in /var/log":            "",
	} {
		if got := FindLevel([]byte(line)).String(); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
	for word, want := range map[string]string{"err": "err", "error": "err", "3": "err", "0": "emerg", "7": "debug", "Warning": "warning", "warn": "warning"} {
		if got, err := ParseLevel(word); err != nil || got.String() != want {
			t.Errorf("%s: got %q, %v", word, got, err)
		}
	}
	for _, word := range []string{"", "8", "-1", "loud", "err warning", " "} {
		if got, err := ParseLevel(word); err == nil {
			t.Errorf("%q: got %q, want an error", word, got)
		}
	}
}

func FuzzFindLevel(f *testing.F) {
	f.Add([]byte(`{"level":"error"}`), "level=error")
	f.Add([]byte("\x1b[31m[error] x"), "a.0.b=1")
	f.Add([]byte(`{"a":[{"b":1}]} `), "a.0.b=1")
	f.Fuzz(func(t *testing.T, line []byte, text string) {
		if l := FindLevel(line); l != 0 && l.String() == "" {
			t.Errorf("level %d has no word", l)
		}
		if want, ok := slowJSONLevel(line); ok && FindLevel(line) != want {
			t.Errorf("%q: got %q, want %q", line, FindLevel(line), want)
		}
		if field, err := ParseField(text); err == nil {
			field.In(line)
		}
	})
}

// slowJSONLevel is FindLevel for objects by encoding/json, where both must agree.
func slowJSONLevel(line []byte) (want Level, ok bool) {
	text := strings.ToLower(string(line))
	if len(line) == 0 || line[0] != '{' || !json.Valid(line) || strings.ContainsAny(text, `\+ſ`) {
		return 0, false
	}
	for _, name := range jsonFields {
		if strings.Count(text, name) > 1 {
			return 0, false // they differ on which one of several counts
		}
	}
	var of struct{ Level, Severity, Lvl json.RawMessage }
	if json.Unmarshal(line, &of) != nil {
		return 0, false
	}
	for _, value := range []json.RawMessage{of.Level, of.Severity, of.Lvl} {
		word := bytes.Trim(value, `"`)
		if want = levelOf(word); want == 0 {
			if n, err := strconv.Atoi(string(word)); err == nil && n >= 10 {
				want = [...]Level{Debug, Debug, Info, 5, Err, Critical}[min(n/10, 6)-1]
			} else if err == nil && n >= 0 && n < len(levels) {
				want = Level(n + 1)
			}
		}
		if want > 0 {
			break
		}
	}
	return want, true
}

func TestFields(t *testing.T) {
	const line = `{"status":500,"ok":true,"none":null,"msg":"a=b","request":{"method":"GET","headers":{"Host":["a","b"]}},"log.level":"warn","a.b":{"c":1.50},"empty":""}`
	for text, want := range map[string]bool{
		"status=500": true, "status=5e2": true, "status=50": false, "status=": false, "ok=true": true, "ok=1": false, "none=null": true,
		"msg=a=b": true, "request.method=GET": true, "request.method=get": false, "request=GET": false, "method=GET": false,
		"request.headers.Host.1=b": true, "request.headers.Host.2=b": false, "request.headers.Host.x=b": false,
		"log.level=warn": true, "a.b.c=1.5": true, "empty=": true, "missing=": false, "status.x=1": false,
		`request.headers.Host=["a","b"]`: true,
	} {
		field, err := ParseField(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := field.In([]byte(line)); got != want {
			t.Errorf("%s: got %v", text, got)
		}
	}
	field, _ := ParseField("a=1")
	for _, line := range []string{"", "text a=1", `{"a":1`, `[1]`, `{"a":1} x`, `"a"`} {
		if field.In([]byte(line)) {
			t.Errorf("%q has it", line)
		}
	}
	// Of a name that is there twice the first counts, as for the level.
	twice := []byte(`{"a":1,"level":"info","b":{"c":1,"c":2},"level":"error","a":2}`)
	for text, want := range map[string]bool{"a=1": true, "a=2": false, "b.c=1": true, "b.c=2": false, "level=info": true, "level=error": false} {
		if field, err := ParseField(text); err != nil || field.In(twice) != want {
			t.Errorf("%s: got %v, %v", text, !want, err)
		}
	}
	if got := FindLevel(twice); got != Info {
		t.Errorf("its level is %v", got)
	}
	for _, text := range []string{"", "status", "=500"} {
		if _, err := ParseField(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// Each filter alone and with the others, and with --tail, which looks from the end.
func TestQueryByLevelAndField(t *testing.T) {
	dir := t.TempDir()
	var file strings.Builder
	for i, text := range []string{"ERROR:  one", "two", `{"level":"error","status":500}`, "DEBUG:  three", `{"level":"info","status":500}`, "WARNING:  four"} {
		file.WriteString("2026-11-26T06:19:3" + string(rune('0'+i)) + ".000000000Z stderr F " + text + "\n")
	}
	if err := os.WriteFile(filepath.Join(dir, "app.log"), []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	status, _ := ParseField("status=500")
	for _, c := range []struct {
		query Query
		want  string
	}{
		{Query{Level: Err}, `ERROR:  one|{"level":"error","status":500}`},
		{Query{Level: Err + 1}, `ERROR:  one|{"level":"error","status":500}|WARNING:  four`},
		{Query{Level: Info}, `ERROR:  one|two|{"level":"error","status":500}|{"level":"info","status":500}|WARNING:  four`},
		{Query{Level: Debug, Tail: 3}, `DEBUG:  three|{"level":"info","status":500}|WARNING:  four`},
		{Query{Level: Err, Tail: 1}, `{"level":"error","status":500}`},
		{Query{Fields: []Field{status}}, `{"level":"error","status":500}|{"level":"info","status":500}`},
		{Query{Fields: []Field{status}, Level: Err}, `{"level":"error","status":500}`},
		{Query{Fields: []Field{status}, Tail: 1}, `{"level":"info","status":500}`},
	} {
		var got []string
		for rec, err := range NewReader(dir).Records(context.Background(), c.query) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(rec.Message))
		}
		if !slices.Equal(got, strings.Split(c.want, "|")) {
			t.Errorf("%+v: got %q", c.query, got)
		}
	}
}
