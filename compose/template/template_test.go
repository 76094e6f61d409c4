package template

import (
	"strings"
	"testing"
	gotemplate "text/template"
)

// values is what a YAML file can give to templates.
func values() map[string]any {
	return map[string]any{
		"S": "text", "E": "", "N": 3, "Z": 0, "T": true, "F": false, "NUM": "12",
		"L": []any{"a", 1, true, []any{"x"}}, "EL": []any{}, "EM": map[string]any{},
		"M": map[string]any{"k": "v", "n": map[string]any{"deep": 7}, "a": 1},
	}
}

// like compares our result with text/template's: the same text, or an error of both.
func like(t *testing.T, text string) {
	t.Helper()
	var b strings.Builder
	lib, err := gotemplate.New("t").Option("missingkey=error").Parse(text)
	if err == nil {
		err = lib.Execute(&b, values())
	}
	got, gotErr := Expand("t", text, values())
	switch {
	case (err == nil) != (gotErr == nil):
		t.Errorf("%q: error %v, the library's is %v", text, gotErr, err)
	case err == nil && got != b.String():
		t.Errorf("%q is %q, the library's is %q", text, got, b.String())
	}
}

// templates are texts that use every part of the language.
var templates = strings.Split(`plain
{{.S}} {{ .N }} {{.T}} {{.L}} {{.M}} {{.}}
{{.NOPE}}
{{.M.n.deep}} {{.M.nope}}
{{.S.k}}
{{.M.k.x}}
{{.S "arg"}}
{{"quoted"}} {{true}} {{12}} {{-3}} {{1.5}} {{1e3}} {{'a'}} {{0x1F}} {{1.0}} {{2i}}
{{99999999999999999999}}
{{nil}}
{{if .T}}yes{{else}}no{{end}}{{if .E}}yes{{else if .N}}n{{else}}no{{end}}{{if .Z}}x{{end}}
{{if .EL}}x{{else}}empty{{end}}{{if .EM}}x{{else}}empty{{end}}{{if .M}}m{{end}}
{{with .S}}[{{.}}]{{end}}{{with .E}}x{{else}}none{{end}}{{with .E}}x{{else with .N}}{{.}}{{end}}
{{range .L}}<{{.}}>{{end}}{{range .EL}}x{{else}}none{{end}}
{{range $i, $v := .L}}{{$i}}={{$v}} {{end}}{{range $v := .L}}{{$v}},{{end}}
{{range $k, $v := .M}}{{$k}}={{$v}} {{end}}{{range .M}}{{.}};{{end}}
{{range 3}}{{.}}{{end}}{{range $i := .N}}{{$i}}{{end}}{{range .Z}}x{{else}}zero{{end}}
{{range $i, $j := 3}}x{{end}}
{{range .S}}x{{end}}
{{range .L}}{{if eq . 1}}{{break}}{{end}}{{.}}{{end}}
{{range .N}}{{if eq . 1}}{{continue}}{{end}}{{.}}{{end}}
{{range .L}}{{range $.N}}{{if eq . 1}}{{break}}{{end}}i{{end}}o{{end}}
{{$x := .S}}{{$x}}{{$x = "new"}}{{$x}}{{if .T}}{{$x = "inner"}}{{$y := 1}}{{$y}}{{end}}{{$x}}
{{$v := 0}}{{range $v = .L}}{{end}}{{$v}}
{{$k := 0}}{{$v := 0}}{{range $k, $v = .M}}{{end}}{{$k}}{{$v}}
{{$x}}
{{$m := .M}}{{$m.n.deep}} {{$.S}} {{range .L}}{{$.N}}{{end}}
{{(index .M "n").deep}} {{(.M.n).deep}} {{(.S)}}
{{len .S}} {{len .L}} {{len .M}} {{.S | len}}
{{len .N}}
{{index .L 1}} {{index .L 3 0}} {{index .M "k"}} {{index .M "n" "deep"}} {{index .S 0}} {{index .M "nope"}}
{{index .L 9}}
{{index .L -1}}
{{index .L "a"}}
{{index .M 1}}
{{index .N 1}}
{{slice .S 1 3}} {{slice .L 1}} {{slice .L 1 2}} {{slice .L 0 1 2}} {{slice .S}}
{{slice .S 3 1}}
{{slice .S 9}}
{{slice .S 0 1 2}}
{{slice .N 1}}
{{print .S .N .N "x"}} {{println .S .N}}{{printf "%05d|%-6s|%v|%q" .N .S .L .S}} {{.S | printf "%s-%s" "a"}}
{{printf .N}}
{{printf}}
{{html "<a href='x'>&\""}} {{urlquery "a b&c"}} {{.N | html}} {{html "a" "b"}}
{{and .T .S}} {{and .T .E .NOPE}} {{or .E .S .NOPE}} {{or .E .Z}} {{not .E}} {{.S | and .T}} {{.E | or .Z}}
{{and}}
{{not}}
{{eq .N 3}} {{eq .S "text" }} {{eq .S "x" "text"}} {{ne .N 4}} {{eq .T true}} {{eq 1.5 1.5}}
{{eq .N "3"}}
{{eq .N 3.0}}
{{eq .L .L}}
{{eq .N}}
{{lt .N 4}} {{le 3 3}} {{gt .S "a"}} {{ge 2.5 2.5}} {{lt "b" "a"}}
{{lt .T true}}
{{lt .N "x"}}
{{lt .N 1 2}}
{{define "a"}}[{{.}}{{$}}]{{end}}{{template "a" .S}}{{template "a"}}
{{define "a"}}{{template "b" .}}{{end}}{{define "b"}}<{{.N}}>{{end}}{{template "a" .}}
{{block "c" .M}}{{.k}}{{end}}
{{define "only"}}x{{end}}
{{template "nope"}}
{{define "a"}}{{template "a"}}{{end}}{{template "a"}}
a {{- .S -}} b {{/* comment */}} {{- /* another */ -}} c
{{.S}
{{end}}
{{if}}
{{nofunc 1}}
{{break}}
{{.S | .N}}
{{print (print 1 2) (len .L)}}
{{call .S}}
{{print nil}}
{{if not (eq .S "x")}}{{with $y := .M.n}}{{$y.deep}}{{end}}{{end}}
{{if $x := .S}}{{$x}}{{else}}{{$x}}{{end}}
{{printf "%d" 'a'}} {{print 1 2 "a" "b" 3}}
{{""}}{{`+"`raw`"+`}}
{{.M.a | eq 1}} {{1 | index .L}}
{{"a" "b"}}
{{len nil}}
{{eq nil nil}}`, "\n")

func TestTemplateIsGos(t *testing.T) {
	for _, text := range templates {
		like(t, text)
	}
	if _, err := Expand("t", `{{js "x"}}`, nil); err == nil || !strings.Contains(err.Error(), "not supported") {
		t.Errorf("js: %v", err)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, text := range templates {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// Long loops, escaping for JavaScript, and the names of types differ on purpose.
		for _, no := range []string{"js", "%", "range", "template", "block", "define"} {
			if strings.Contains(text, no) {
				return
			}
		}
		like(t, text)
	})
}
