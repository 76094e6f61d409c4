package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"nix2gpu/internal/wheeltest"
)

// cmdIndex serves wheels as an index of Python packages, with a password, until the
// script ends. Each line of the file is "name version tag", followed by its
// requirements. $INDEX is its URL with user and password, $OPEN_INDEX the one without,
// and hashed.txt lists its wheels as a requirements file. A second call replaces what
// is served.
//
//	index wheels.txt
func cmdIndex(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: index file")
	}
	t := ts.Value("t").(testing.TB)
	served := ts.Value("index").(**wheeltest.Index)
	var files []wheeltest.File
	var hashed strings.Builder
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 4)
		if len(words) < 3 {
			continue
		}
		w := wheeltest.Wheel{Name: words[0], Version: words[1], Tag: words[2], Scripts: []string{words[0] + " = " + words[0] + ":main"},
			Files: map[string]string{words[0] + ".py": fmt.Sprintf("def main():\n    print(%q)\n", words[0]+" "+words[1]+" "+words[2])}}
		if len(words) > 3 {
			for need := range strings.SplitSeq(words[3], " ") {
				w.Metadata = append(w.Metadata, "Requires-Dist: "+need)
			}
		}
		files = append(files, wheeltest.Of(t, w))
		fmt.Fprintf(&hashed, "%s==%s \\\n    --hash=sha256:%s\n", words[0], words[1], wheeltest.SHA256(w.Bytes(t)))
	}
	if *served == nil {
		*served = wheeltest.Serve(t)
		(*served).Password("me", "s3cret")
		ts.Setenv("OPEN_INDEX", (*served).URL)
		ts.Setenv("INDEX", strings.Replace((*served).URL, "://", "://me:s3cret@", 1))
	}
	(*served).Set(files...)
	ts.Check(os.WriteFile(ts.MkAbs("hashed.txt"), []byte(hashed.String()), 0o644))
}
