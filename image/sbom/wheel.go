package sbom

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// wheelElement describes a wheel. Its package URL has the index's name:
// pkg:pypi/flask@3.0.2.
func wheelElement(w Wheel, texts map[string]Text) element {
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
		texts[id] = textOf(extracted{id, name, text})
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
		// Of several classifiers nothing says whether all of them count, or any.
		switch id := classified(w.License.Classified); {
		case id != "":
			e.LicenseDeclared = id
		case w.License.Classified != "":
			e.LicenseDeclared = own("license", w.License.Classified)
		}
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

// classified is SPDX's identifier of a licence as a classifier of Python's index names
// it, "" where there is none that is certain: "BSD License" is any of several, and so is
// "Apache Software License".
func classified(name string) string {
	switch name {
	case "MIT License":
		return "MIT"
	case "MIT No Attribution License (MIT-0)":
		return "MIT-0"
	case "Zero-Clause BSD (0BSD)":
		return "0BSD"
	case "ISC License (ISCL)":
		return "ISC"
	case "Mozilla Public License 1.1 (MPL 1.1)":
		return "MPL-1.1"
	case "Mozilla Public License 2.0 (MPL 2.0)":
		return "MPL-2.0"
	case "GNU General Public License v2 (GPLv2)":
		return "GPL-2.0-only"
	case "GNU General Public License v2 or later (GPLv2+)":
		return "GPL-2.0-or-later"
	case "GNU General Public License v3 (GPLv3)":
		return "GPL-3.0-only"
	case "GNU General Public License v3 or later (GPLv3+)":
		return "GPL-3.0-or-later"
	case "GNU Lesser General Public License v2 (LGPLv2)":
		return "LGPL-2.0-only"
	case "GNU Lesser General Public License v2 or later (LGPLv2+)":
		return "LGPL-2.0-or-later"
	case "GNU Lesser General Public License v3 (LGPLv3)":
		return "LGPL-3.0-only"
	case "GNU Lesser General Public License v3 or later (LGPLv3+)":
		return "LGPL-3.0-or-later"
	case "GNU Affero General Public License v3":
		return "AGPL-3.0-only"
	case "GNU Affero General Public License v3 or later (AGPLv3+)":
		return "AGPL-3.0-or-later"
	case "Boost Software License 1.0 (BSL-1.0)":
		return "BSL-1.0"
	case "The Unlicense (Unlicense)":
		return "Unlicense"
	case "zlib/libpng License":
		return "Zlib"
	case "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication":
		return "CC0-1.0"
	case "PostgreSQL License":
		return "PostgreSQL"
	case "SIL Open Font License 1.1 (OFL-1.1)":
		return "OFL-1.1"
	case "European Union Public Licence 1.1 (EUPL 1.1)":
		return "EUPL-1.1"
	case "European Union Public Licence 1.2 (EUPL 1.2)":
		return "EUPL-1.2"
	case "Eclipse Public License 1.0 (EPL-1.0)":
		return "EPL-1.0"
	case "Eclipse Public License 2.0 (EPL-2.0)":
		return "EPL-2.0"
	case "Historical Permission Notice and Disclaimer (HPND)":
		return "HPND"
	case "University of Illinois/NCSA Open Source License":
		return "NCSA"
	}
	return ""
}
