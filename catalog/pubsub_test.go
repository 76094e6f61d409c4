package catalog_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// Google's own emulator, where it is installed, takes what we tell it: it serves the one
// project, and no other.
func TestPubSubEmulatorServes(t *testing.T) {
	needs(t, "/usr/lib/google-cloud-sdk/platform/pubsub-emulator/bin/cloud-pubsub-emulator")
	port := testkit.Port(t)
	p, err := generate(t, "t.nix", fmt.Sprintf(`{ services.pubsub-emulator.a = { enable = true; port = %d; project = "shop"; }; }`, port))
	if err != nil {
		t.Fatal(err)
	}
	newMachine(t).start(p, "pubsub-emulator.a")
	put := func(project string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, fmt.Sprintf("http://127.0.0.1:%d/v1/projects/%s/topics/orders", port, project), strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if !testkit.Eventually(func() bool { return put("shop") == http.StatusOK }) {
		t.Fatal("it takes no topic")
	}
	if got := put("other"); got != http.StatusNotFound {
		t.Errorf("it takes a topic of another project: %d", got)
	}
}
