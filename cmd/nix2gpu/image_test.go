package main

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/rogpeppe/go-internal/testscript"

	"nix2gpu/internal/testkit"
)

// cmdRegistry starts a registry until the script ends; $REGISTRY is its host.
func cmdRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: registry")
	}
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)))
	ts.Defer(s.Close)
	ts.Setenv("REGISTRY", strings.TrimPrefix(s.URL, "http://"))
}

// cmdLayout makes an image layout of the script's files:
//
//	layout out amd64,arm64 file...
func cmdLayout(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: layout folder arch,... file...")
	}
	t := ts.Value("t").(testing.TB)
	var images []v1.Image
	for arch := range strings.SplitSeq(args[1], ",") {
		var layers []v1.Layer
		for _, file := range args[2:] {
			layers = append(layers, testkit.Layer(t, map[string]string{"srv/" + file: ts.ReadFile(file)}))
		}
		images = append(images, testkit.Image(t, arch, v1.Config{User: "root"}, layers...))
	}
	var what mutate.Appendable = images[0]
	if len(images) > 1 {
		what = testkit.Index(t, images...)
	}
	ts.Check(os.CopyFS(ts.MkAbs(args[0]), os.DirFS(testkit.Layout(t, what))))
}
