package sbom

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"nix2gpu/debian"
)

// A Licence is the content of a copyright file. The zero value is for a file that is not
// in the machine-readable format.
type Licence struct {
	Expression string          // in SPDX's syntax
	Texts      map[string]Text // licences that are not in SPDX's list, by id
}

// A Text is a licence's text, encoded for documents. Texts are most of a document, so
// they are encoded only once, and then come from a cache.
type Text struct {
	Length int // of the plain text; of two with the same id, a document has the longer
	JSON   []byte
}

// maxText bounds the text of a licence in a document, in bytes.
const maxText = 16 << 10

// ReadLicence parses a copyright file in Debian's machine-readable format (DEP-5). The
// prose of other files is not interpreted.
func ReadLicence(text string) Licence {
	var l Licence
	first := true
	terms := map[string]bool{}
	bodies := map[string]string{} // by Debian's name
	var names []string
	for s := range debian.Stanzas([]byte(text)) {
		if first {
			first = false
			if format := strings.ToLower(s.Get("Format")); !strings.Contains(format, "copyright-format") && !strings.Contains(format, "dep5") {
				return Licence{}
			}
		}
		name, body, _ := strings.Cut(s.Get("License"), "\n")
		name = strings.Join(strings.Fields(name), " ")
		if name == "" && strings.TrimSpace(body) == "" {
			continue
		}
		if name == "" || isProse(name) {
			sum := sha256.Sum256([]byte(name + "\n" + body))
			body = name + "\n" + body
			name = fmt.Sprintf("text-%x", sum[:6])
		}
		if body = unfold(body); len(body) > len(bodies[name]) {
			bodies[name] = body
		}
		if s.Get("Files") != "" || s.Get("Copyright") != "" {
			names = append(names, name)
		}
	}
	for _, name := range names {
		terms[translate(name, func(id, debianName string) {
			text := bodies[debianName]
			if text == "" {
				text = fmt.Sprintf("What Debian's copyright file calls %q.", debianName)
			}
			if len(text) > maxText {
				text = text[:maxText] + "…"
			}
			if l.Texts == nil {
				l.Texts = map[string]Text{}
			}
			l.Texts[id] = textOf(extracted{id, debianName, text})
		})] = true
	}
	if len(terms) == 0 {
		return Licence{}
	}
	all := slices.Sorted(maps.Keys(terms))
	if len(all) > 1 {
		for i, t := range all {
			if strings.Contains(t, " OR ") {
				all[i] = "(" + t + ")"
			}
		}
	}
	l.Expression = strings.Join(all, " AND ")
	return l
}

// isProse reports whether a value is the text of a licence and not its name, by its
// length or by small words, which names don't have.
func isProse(name string) bool {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == ' ' || r == ',' })
	joints := 0
	for _, w := range words {
		switch w {
		case "to", "is", "are", "of", "this", "that", "in", "by", "you", "may":
			return len(words) > 3
		case "and", "or", "with":
			joints++
		}
	}
	return len(words)-joints > 4*(joints+1)
}

// unfold removes the indent of continued lines. A single dot is an empty line.
func unfold(body string) string {
	var lines []string
	for line := range strings.Lines(body) {
		line = strings.TrimRight(strings.TrimPrefix(line, " "), "\r\n\t ")
		if strings.TrimSpace(line) == "." {
			line = ""
		}
		lines = append(lines, line)
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

// translate translates an expression of Debian's to SPDX. In Debian's, "and" binds more
// tightly than "or", and a comma less tightly than both. unlisted is called for names
// that are not in SPDX's list.
func translate(expr string, unlisted func(id, debianName string)) string {
	if left, op, right, ok := cutLast(expr, []string{", and ", ", or "}); ok {
		return join(translate(left, unlisted), strings.ToUpper(strings.Trim(op, ", ")), translate(right, unlisted))
	}
	for _, op := range []string{" or ", " and "} {
		if left, right, ok := strings.Cut(expr, op); ok {
			return join(translate(left, unlisted), strings.ToUpper(strings.TrimSpace(op)), translate(right, unlisted))
		}
	}
	name := strings.Trim(expr, " ,()")
	if id := listed(name); id != "" {
		return id
	}
	id := "LicenseRef-" + idPart(name)
	unlisted(id, name)
	return id
}

// cutLast cuts at the last of several separators.
func cutLast(s string, seps []string) (left, sep, right string, ok bool) {
	at := -1
	for _, candidate := range seps {
		if i := strings.LastIndex(s, candidate); i > at {
			at, sep = i, candidate
		}
	}
	if at < 0 {
		return "", "", "", false
	}
	return s[:at], sep, s[at+len(sep):], true
}

// join joins two expressions. An OR within an AND gets brackets.
func join(left, op, right string) string {
	if op == "AND" {
		for _, side := range []*string{&left, &right} {
			if strings.Contains(*side, " OR ") && !strings.HasPrefix(*side, "(") {
				*side = "(" + *side + ")"
			}
		}
	}
	return left + " " + op + " " + right
}

var gnu = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(A|L)?GPL-?V?([0-9](?:\.[0-9])?)(\+)?$`)
})

// listed returns the SPDX identifier for a short name of Debian's; "" if none is
// certain.
func listed(name string) string {
	key := strings.ToLower(name)
	if m := gnu().FindStringSubmatch(strings.ToUpper(strings.TrimSuffix(key, "-only"))); m == nil {
		// "GPL-2.0-or-later" and the like are SPDX's own.
		if m = gnu().FindStringSubmatch(strings.ToUpper(strings.TrimSuffix(key, "-or-later"))); m != nil && strings.HasSuffix(key, "-or-later") {
			return gnuID(m[1], m[2], true)
		}
	} else {
		return gnuID(m[1], m[2], m[3] != "")
	}
	return shortNames()[key]
}

func gnuID(kind, version string, later bool) string {
	if !strings.Contains(version, ".") {
		version += ".0"
	}
	family := kind + "GPL"
	known := map[string]string{"GPL": "1.0 2.0 3.0", "LGPL": "2.0 2.1 3.0", "AGPL": "1.0 3.0"}[family]
	if !slices.Contains(strings.Fields(known), version) {
		return ""
	}
	if later {
		return family + "-" + version + "-or-later"
	}
	return family + "-" + version + "-only"
}

// shortNames maps Debian's names, in lower case, to SPDX identifiers. Names that packages
// use for several texts (MIT variants, "BSD", "permissive", "public-domain") are
// missing on purpose.
var shortNames = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"afl-2.1":                        "AFL-2.1",
		"apache-2":                       "Apache-2.0",
		"apache-2.0":                     "Apache-2.0",
		"bsd-1-clause":                   "BSD-1-Clause",
		"bsd-2-clause":                   "BSD-2-Clause",
		"bsd-3-clause":                   "BSD-3-Clause",
		"bsd-4-clause":                   "BSD-4-Clause",
		"bsd-4-clause-uc":                "BSD-4-Clause-UC",
		"bsl-1.0":                        "BSL-1.0",
		"bzip2-1.0.6":                    "bzip2-1.0.6",
		"cc-by-3.0":                      "CC-BY-3.0",
		"cc-by-4.0":                      "CC-BY-4.0",
		"cc-by-sa-3.0":                   "CC-BY-SA-3.0",
		"cc-by-sa-4.0":                   "CC-BY-SA-4.0",
		"cc0":                            "CC0-1.0",
		"cc0-1.0":                        "CC0-1.0",
		"curl":                           "curl",
		"expat":                          "MIT",
		"fsfap":                          "FSFAP",
		"fsful":                          "FSFUL",
		"fsfullr":                        "FSFULLR",
		"ftl":                            "FTL",
		"gfdl-1.2":                       "GFDL-1.2-only",
		"gfdl-1.2+":                      "GFDL-1.2-or-later",
		"gfdl-1.3":                       "GFDL-1.3-only",
		"gfdl-1.3+":                      "GFDL-1.3-or-later",
		"gfdl-niv-1.3":                   "GFDL-1.3-no-invariants-only",
		"gfdl-niv-1.3+":                  "GFDL-1.3-no-invariants-or-later",
		"isc":                            "ISC",
		"libpng":                         "Libpng",
		"mit":                            "MIT",
		"mpl-1.1":                        "MPL-1.1",
		"mpl-2.0":                        "MPL-2.0",
		"ncsa":                           "NCSA",
		"ntp":                            "NTP",
		"ofl-1.1":                        "OFL-1.1",
		"oldap-2.8":                      "OLDAP-2.8",
		"openldap-2.8":                   "OLDAP-2.8",
		"openssl":                        "OpenSSL",
		"postgresql":                     "PostgreSQL",
		"unicode-dfs-2016":               "Unicode-DFS-2016",
		"w3c":                            "W3C",
		"x11":                            "X11",
		"zlib":                           "Zlib",
		"apache-2.0 with llvm exception": "Apache-2.0 WITH LLVM-exception",
	}
})
