package sbom

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// wheelElement describes a wheel. Its package URL has the index's name:
// pkg:pypi/flask@3.0.2.
func wheelElement(w Wheel, texts map[string]extracted) element {
	e := element{
		SPDXID: "SPDXRef-Wheel-" + idPart(w.Name), Name: w.Name, Version: w.Version, FileName: w.File,
		Supplier: unknown, DownloadLocation: unknown, Checksums: []checksum{{"SHA256", w.SHA256}},
		LicenseConcluded: unknown, LicenseDeclared: unknown, CopyrightText: unknown, Purpose: "INSTALL",
		ExternalRefs: []externalRef{purl(fmt.Sprintf("pkg:pypi/%s@%s?%s", escape(w.Name), escape(w.Version), qualifiers("file_name", w.File)))},
	}
	own := func(name, text string) string { // a licence that is not in SPDX's list
		id := "LicenseRef-" + idPart(w.Name+"-"+name)
		if len(text) > maxText {
			text = strings.ToValidUTF8(text[:maxText], "") + "…"
		}
		texts[id] = extracted{id, name, text}
		return id
	}
	// Packaging tools validate expressions against SPDX's list.
	if expr, ok := expression(w.License.Expression, func(name string) string {
		if strings.HasPrefix(name, "LicenseRef-") {
			return own(strings.TrimPrefix(name, "LicenseRef-"), fmt.Sprintf("What the metadata of %s %s call %q.", w.Name, w.Version, name))
		}
		return name
	}); ok {
		e.LicenseDeclared = expr
		return e
	}
	text := strings.TrimSpace(w.License.Text)
	if text == "" || strings.EqualFold(text, "UNKNOWN") {
		return e
	}
	if id := listedByPython(text); id != "" {
		e.LicenseDeclared = id
	} else if expr, ok := expression(text, listedByPython); ok {
		e.LicenseDeclared = expr
	} else {
		e.LicenseDeclared = own("license", text)
	}
	return e
}

var licenseID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9.-]+\+?$`) })

// expression parses an SPDX expression and replaces its licences by id, which returns ""
// for one that it does not know. It reports whether the expression is valid.
func expression(text string, id func(name string) string) (string, bool) {
	var out strings.Builder
	depth, operand := 0, true // whether an operand comes next
	after := ""               // the word before
	for word := range strings.FieldsSeq(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text)) {
		operator := word == "AND" || word == "OR" || word == "WITH"
		switch {
		case word == "(" && operand && after != "WITH":
			depth++
			out.WriteString("(")
		case word == ")" && !operand && depth > 0:
			depth--
			out.WriteString(")")
		case operator && !operand:
			operand = true
			out.WriteString(" " + word + " ")
		case operand && !operator && licenseID().MatchString(word):
			if after != "WITH" { // after WITH comes an exception
				if word = id(word); word == "" {
					return "", false
				}
			}
			operand = false
			out.WriteString(word)
		default:
			return "", false
		}
		after = word
	}
	return out.String(), depth == 0 && !operand
}

// listedByPython returns the SPDX identifier for a name in a wheel's metadata; "" if none
// is certain: "BSD" and "GPL" are several licences, and "Apache" is two.
func listedByPython(name string) string {
	key := strings.ToLower(strings.Join(strings.Fields(name), " "))
	key = strings.TrimPrefix(key, "the ")
	switch strings.NewReplacer(" license", "", " licence", "", ",", "", "version ", "", " v2", " 2").Replace(key) {
	case "mit":
		return "MIT"
	case "apache 2", "apache 2.0", "apache software 2.0", "asl 2.0":
		return "Apache-2.0"
	case "bsd 3-clause", "3-clause bsd", "bsd 3 clause", "new bsd", "modified bsd":
		return "BSD-3-Clause"
	case "bsd 2-clause", "2-clause bsd", "simplified bsd":
		return "BSD-2-Clause"
	case "mozilla public 2.0", "mpl 2.0":
		return "MPL-2.0"
	case "psf-2.0":
		return "PSF-2.0"
	case "0bsd":
		return "0BSD"
	case "unlicense":
		return "Unlicense"
	case "isc":
		return "ISC"
	}
	return listed(key)
}
