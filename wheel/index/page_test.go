package index

import (
	"net/url"
	"strings"
	"testing"
)

func TestHTML(t *testing.T) {
	base, err := url.Parse("https://pkg.example.org/simple/x/")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range parseHTML(`<!DOCTYPE html><html><head><base href="/files/"><!-- <a href="hidden-1-py3-none-any.whl"> --></head><body>
		<A HREF='x-1-py3-none-any.whl#sha256=`+strings.Repeat("A", 64)+`' data-requires-python="&gt;=3.8">x</A>
		<a  class=k href=x-2-py3-none-any.whl data-yanked>y</a> <a name="none">z</a> <abbr href="no">
		<a href="https://other.example.org/d/x%2B3-1-py3-none-any.whl#md5=12"/>
		<a href="x-4-py3-none-any.whl`, base) {
		got = append(got, f.Name+" "+f.URL+" "+f.RequiresPython+" "+strings.Repeat("h", len(f.SHA256)/64)+strings.Repeat("y", map[bool]int{true: 1}[f.Yanked]))
	}
	want := []string{
		"x-1-py3-none-any.whl https://pkg.example.org/files/x-1-py3-none-any.whl >=3.8 h",
		"x-2-py3-none-any.whl https://pkg.example.org/files/x-2-py3-none-any.whl  y",
		"x+3-1-py3-none-any.whl https://other.example.org/d/x%2B3-1-py3-none-any.whl  ",
		"x-4-py3-none-any.whl https://pkg.example.org/files/x-4-py3-none-any.whl  ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func FuzzHTML(f *testing.F) {
	base, err := url.Parse("https://pkg.example.org/simple/x/")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`<a href="x">`)
	f.Add(`<a = href='x' <base href`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, file := range parseHTML(text, base) {
			if _, err := url.Parse(file.URL); err != nil {
				t.Errorf("%q has the link %q", text, file.URL)
			}
		}
		parseJSON([]byte(text), base)
	})
}
