package catalog_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// Two emulators of DynamoDB keep tables apart, come back when they are killed, and have them
// on the second start.
func TestDynamoDBLives(t *testing.T) {
	t.Parallel()
	needs(t, "dynalite")
	s := testkit.NewStackFrom(t, "")
	const services = `
	  dynamodb-local.a = { enable = true; extraArgs = [ "--createTableMs=0" ]; };
	  dynamodb-local.b = { enable = true; host = "127.0.0.2"; dbPath = "./tables"; extraArgs = [ "--createTableMs=0" ]; };`
	s.Write("nix2gpu.nix", "{ services = {"+services+"}; }\n")
	says := func(host, operation, body, want string) {
		t.Helper()
		var got string
		if !testkit.Eventually(func() bool {
			got = dynamo(t, s.Client, "http://"+host+":8000/", operation, body)
			return strings.Contains(got, want)
		}) {
			t.Errorf("%s: %s: %q, want %q", host, operation, got, want)
		}
	}
	const table = `{"TableName":"shop","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`
	killInSetUp(t, s, "dynamodb-local.b: starting")
	run := s.Start("up")
	run.WaitLine("all services healthy")
	before := healthyMains(t, s)
	noneAsRoot(t, before)
	audit(t, s, services)
	killAndBack(t, s, before)
	for host, name := range map[string]string{"127.0.0.1": "of a", "127.0.0.2": "of b"} {
		says(host, "CreateTable", table, "")
		says(host, "DescribeTable", `{"TableName":"shop"}`, "ACTIVE")
		says(host, "PutItem", `{"TableName":"shop","Item":{"id":{"S":"chair"},"is":{"S":"`+name+`"}}}`, "{}")
	}
	run.Stop()

	run = s.Start("up")
	run.WaitLine("all services healthy")
	says("127.0.0.1", "GetItem", `{"TableName":"shop","Key":{"id":{"S":"chair"}}}`, "of a")
	says("127.0.0.2", "GetItem", `{"TableName":"shop","Key":{"id":{"S":"chair"}}}`, "of b")
	run.Stop()
}

// dynamo asks DynamoDB, with a signature that an emulator does not check, and returns the body
// of the answer, or the error.
func dynamo(t *testing.T, client *http.Client, url, operation, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	req.Header.Set("X-Amz-Date", "20260101T000000Z")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=a")
	resp, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return string(text)
}
