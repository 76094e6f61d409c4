package project_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"nix2gpu/project"
)

// The walker finds every field of type Text, wherever it is: a field that is added to
// the types and not to the walker fails here.
func TestEachTextFindsAll(t *testing.T) {
	p := &project.Project{}
	var want []string
	fill(reflect.ValueOf(p).Elem(), "project", func(path string) project.Text {
		want = append(want, path)
		return project.Lit(path)
	})
	var got []string
	p.EachText(func(_ project.Owner, text *project.Text) { got = append(got, text.String()) })
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("texts found\n%q\nwant\n%q", got, want)
	}
	if len(want) < 25 {
		t.Errorf("only %d texts were set: the test looks past them", len(want))
	}
}

// An assignment of the visitor is kept, in every place.
func TestEachTextAssigns(t *testing.T) {
	p := &project.Project{}
	fill(reflect.ValueOf(p).Elem(), "project", func(path string) project.Text { return project.Lit(path) })
	p.EachText(func(_ project.Owner, text *project.Text) { *text = project.Lit("new") })
	p.EachText(func(o project.Owner, text *project.Text) {
		if text.String() != "new" {
			t.Errorf("the text of %+v is %q after it was set", o, *text)
		}
	})
}

// fill sets everything below v to something, with one element in each list and
// map, and takes each Text from text.
func fill(v reflect.Value, path string, text func(path string) project.Text) {
	if v.Type() == reflect.TypeFor[project.Text]() {
		v.Set(reflect.ValueOf(text(path)))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path, text)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), path+"."+v.Type().Field(i).Name, text)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), path+"[0]", text)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value, path+"[k]", text)
		v.SetMapIndex(reflect.ValueOf("k").Convert(v.Type().Key()), value)
	case reflect.String:
		v.SetString("x")
	}
}

// A file that only the container's environment names restarts the services when it
// changes, and only then.
func TestDiffSeesFilesOfTheContainer(t *testing.T) {
	with := func(content, inner string) *project.Project {
		p := build(t, "api")
		p.Container.Env = map[string]project.Value{"CONFIG": {Text: project.FilePath("outer")}}
		p.Container.Startup = project.FilePath("boot")
		p.Files = map[string]*project.File{
			"outer": {Content: project.Join(project.Lit(content), project.FilePath("inner"))},
			"inner": {Content: project.Lit(inner)},
			"boot":  {Content: project.Lit(content)},
		}
		return p
	}
	for _, tt := range []struct {
		content, inner string
		want           string
	}{
		{"a", "b", "[]"},
		{"other", "b", "[api]"},
		{"a", "other", "[api]"}, // a file that only the first names
	} {
		if got := fmt.Sprint(with("a", "b").Diff(with(tt.content, tt.inner)).Changed); got != tt.want {
			t.Errorf("Diff to %q, %q = %s, want %s", tt.content, tt.inner, got, tt.want)
		}
	}
	// The script that runs once at the start of the container is no reason to restart.
	q := with("a", "b")
	q.Files["boot"].Content = project.Lit("other")
	if c := with("a", "b").Diff(q); !c.IsEmpty() {
		t.Errorf("a changed startup script restarts %v", c.Changed)
	}
}
