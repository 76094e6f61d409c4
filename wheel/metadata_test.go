package wheel_test

import (
	"testing"

	"nix2gpu/wheel"
)

// The licence is what each field says; a classifier that names no licence, or one
// again, adds nothing.
func TestLicenseOfMetadata(t *testing.T) {
	head := "Metadata-Version: 2.1\nName: x\nVersion: 1\n"
	for text, want := range map[string]wheel.License{
		"":                                 {},
		"License: MIT\n":                   {Text: "MIT"},
		"License-Expression: MIT OR ISC\n": {Expression: "MIT OR ISC"},
		"Classifier: Topic :: Database\nClassifier: License :: OSI Approved\nClassifier: License :: OSI Approved :: MIT License\n":                                               {Classified: "MIT License"},
		"Classifier: License :: OSI Approved :: MIT License\nclassifier: License::OSI Approved::MIT License\nClassifier: License :: Public Domain\n\nClassifier: License :: x\n": {Classified: "MIT License\nPublic Domain"},
		"Classifier: License\nClassifier: License :: \nClassifier:\n":                                                                                                            {},
	} {
		m, err := wheel.ParseMetadata([]byte(head + text))
		if err != nil || m.License != want {
			t.Errorf("%q: %+v, %v; want %+v", text, m, err, want)
		}
	}
}
