package catalog_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
)

// Two of them keep blobs apart, come back when they are killed, and have them on the second
// start.
func TestAzuriteLives(t *testing.T) {
	t.Parallel()
	needs(t, "azurite")
	s := testkit.NewStackFrom(t, "")
	const services = `
	  azurite.a.enable = true;
	  azurite.b = { enable = true; listenAddress = "127.0.0.2"; };`
	s.Write("nix2gpu.nix", "{ services = {"+services+"}; }\n")
	says := func(host, method, path, body, want string) {
		t.Helper()
		var got string
		if !testkit.Eventually(func() bool {
			got = azure(t, s.Client, method, "http://"+host+":10000/devstoreaccount1/"+path, body)
			return strings.Contains(got, want)
		}) {
			t.Errorf("%s: %s %s: %q, want %q", host, method, path, got, want)
		}
	}
	killInSetUp(t, s, "azurite.b: starting")
	run := s.Start("up")
	run.WaitLine("all services healthy")
	before := healthyMains(t, s)
	noneAsRoot(t, before)
	audit(t, s, services)
	killAndBack(t, s, before)
	says("127.0.0.1", http.MethodPut, "shop?restype=container", "", "201")
	says("127.0.0.2", http.MethodPut, "shop?restype=container", "", "201")
	says("127.0.0.1", http.MethodPut, "shop/chair", "of a", "201")
	says("127.0.0.2", http.MethodPut, "shop/chair", "of b", "201")
	run.Stop()

	run = s.Start("up")
	run.WaitLine("all services healthy")
	says("127.0.0.1", http.MethodGet, "shop/chair", "", "200 of a")
	says("127.0.0.2", http.MethodGet, "shop/chair", "", "200 of b")
	run.Stop()
}

// azure makes a request with the key that every emulator of the kind has, and returns the
// status and the body of the answer, or the error.
func azure(t *testing.T, client *http.Client, method, address, body string) string {
	t.Helper()
	const account, key = "devstoreaccount1", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("x-ms-blob-type", "BlockBlob")
	req.Header.Set("x-ms-date", time.Now().UTC().Format(http.TimeFormat))
	req.Header.Set("x-ms-version", "2021-10-04")
	length := ""
	if body != "" {
		length = fmt.Sprint(len(body))
	}
	sign := method + "\n\n\n" + length + strings.Repeat("\n", 9) +
		"x-ms-blob-type:BlockBlob\nx-ms-date:" + req.Header.Get("x-ms-date") + "\nx-ms-version:2021-10-04\n/" + account + req.URL.Path
	query, _ := url.ParseQuery(req.URL.RawQuery)
	if kind := query.Get("restype"); kind != "" {
		sign += "\nrestype:" + kind
	}
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(sign))
	req.Header.Set("Authorization", "SharedKey "+account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	resp, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return fmt.Sprint(resp.StatusCode, " ", string(text))
}
