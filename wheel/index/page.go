package index

import (
	"encoding/json"
	"fmt"
	"html"
	"mime"
	"net/url"
	"path"
	"strings"

	"nix2gpu/wheel"
)

// accept is the Accept header: the formats that we read, the best first.
const accept = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"

// parsePage parses an index's page of a project. Links are relative to base.
func parsePage(data []byte, media string, base *url.URL) ([]wheel.File, error) {
	kind, _, err := mime.ParseMediaType(media)
	if err != nil {
		kind = "text/html" // plain file servers send this
	}
	switch kind {
	case "application/vnd.pypi.simple.v1+json", "application/json":
		return parseJSON(data, base)
	case "application/vnd.pypi.simple.v1+html", "text/html", "application/xhtml+xml":
		return parseHTML(string(data), base), nil
	}
	return nil, fmt.Errorf("it is of type %q, which no index of Python packages has", media)
}

func parseJSON(data []byte, base *url.URL) ([]wheel.File, error) {
	var page struct {
		Meta struct {
			Version string `json:"api-version"`
		} `json:"meta"`
		Files []struct {
			Filename       string            `json:"filename"`
			URL            string            `json:"url"`
			Hashes         map[string]string `json:"hashes"`
			RequiresPython string            `json:"requires-python"`
			Yanked         any               `json:"yanked"` // false, true, or the reason
			Size           *int64            `json:"size"`
		} `json:"files"`
	}
	if err := json.Unmarshal(data, &page); err != nil {
		return nil, fmt.Errorf("it cannot be read: %w", err)
	}
	if !strings.HasPrefix(page.Meta.Version, "1.") {
		return nil, fmt.Errorf("not supported: an index of version %q", page.Meta.Version)
	}
	var out []wheel.File
	for _, f := range page.Files {
		to, err := base.Parse(f.URL)
		if err != nil || !isWeb(to) || f.Filename == "" {
			continue // not a usable URL
		}
		one := wheel.File{Name: f.Filename, SHA256: digest(f.Hashes["sha256"]), Size: -1, RequiresPython: f.RequiresPython, URL: to.String()}
		if f.Size != nil && *f.Size > 0 {
			one.Size = *f.Size
		}
		switch y := f.Yanked.(type) {
		case bool:
			one.Yanked = y
		case string:
			one.Yanked = true
		}
		out = append(out, one)
	}
	return out, nil
}

// isWeb reports whether a URL can be downloaded. That of a file cannot: this machine's
// files are nothing that an index may refer to.
func isWeb(u *url.URL) bool { return u.Scheme == "https" || u.Scheme == "http" }

// digest returns s if it is a SHA-256, or else "".
func digest(s string) string {
	s = strings.ToLower(s)
	if len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "" {
		return ""
	}
	return s
}

// parseHTML returns the links of a page. Nothing else of the HTML matters.
func parseHTML(text string, base *url.URL) []wheel.File {
	var out []wheel.File
	for name, attrs := range tags(text) {
		href, ok := attrs["href"]
		if !ok {
			continue
		}
		to, err := base.Parse(strings.TrimSpace(href))
		if err != nil {
			continue
		}
		if name == "base" {
			base = to
			continue
		}
		if !isWeb(to) {
			continue
		}
		f := wheel.File{Name: path.Base(to.Path), Size: -1, RequiresPython: attrs["data-requires-python"]}
		_, f.Yanked = attrs["data-yanked"]
		if sum, ok := strings.CutPrefix(to.Fragment, "sha256="); ok {
			f.SHA256 = digest(sum)
		}
		to.Fragment = ""
		f.URL = to.String()
		out = append(out, f)
	}
	return out
}

// tags yields the tags a and base of a page, with their attributes.
func tags(text string) func(yield func(name string, attrs map[string]string) bool) {
	return func(yield func(string, map[string]string) bool) {
		for {
			at := strings.IndexByte(text, '<')
			if at < 0 {
				return
			}
			text = text[at+1:]
			if comment, ok := strings.CutPrefix(text, "!--"); ok {
				_, text, _ = strings.Cut(comment, "-->")
				continue
			}
			end := strings.IndexAny(text, " \t\r\n/>")
			if end < 0 {
				return
			}
			name := strings.ToLower(text[:end])
			text = text[end:]
			if name != "a" && name != "base" {
				continue // the next < begins a tag: these pages escape it in attributes
			}
			attrs := map[string]string{}
			text = attributes(text, attrs)
			if !yield(name, attrs) {
				return
			}
		}
	}
}

// attributes parses the attributes of a tag, and returns the text behind it.
func attributes(text string, into map[string]string) string {
	const blank = " \t\r\n/"
	for {
		text = strings.TrimLeft(text, blank)
		if text == "" {
			return ""
		}
		if text[0] == '>' {
			return text[1:]
		}
		end := strings.IndexAny(text, blank+"=>")
		if end < 0 {
			return ""
		}
		if end == 0 { // an equals sign without a name
			text = text[1:]
			continue
		}
		name, value := strings.ToLower(text[:end]), ""
		text = strings.TrimLeft(text[end:], blank[:4])
		if rest, ok := strings.CutPrefix(text, "="); ok {
			text = strings.TrimLeft(rest, blank[:4])
			switch {
			case text != "" && (text[0] == '"' || text[0] == '\''):
				value, text, _ = strings.Cut(text[1:], text[:1])
			default:
				if end = strings.IndexAny(text, blank[:4]+">"); end < 0 {
					end = len(text)
				}
				value, text = text[:end], text[end:]
			}
		}
		if _, ok := into[name]; !ok {
			into[name] = html.UnescapeString(value)
		}
	}
}
