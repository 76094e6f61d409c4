package catalog_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mongosh stands in for what mongosh has beside Node: a server whose state is STATE.
const mongosh = `
const state = JSON.parse(process.env.STATE ?? '{"users": {}}'), did = [];
let inside = false;
const fail = (codeName, code) => { throw Object.assign(new Error(codeName), { codeName, code }); };
const guard = () => { if (state.auth && !inside && Object.keys(state.users).length > 0) fail("Unauthorized", 13); };
globalThis.db = {
  hello: () => ({ isWritablePrimary: state.set !== false && state.set !== "other" }),
  getSiblingDB: () => ({
    auth: (user, pwd) => state.users[user] === pwd ? (inside = true, { ok: 1 }) : fail("AuthenticationFailed", 18),
    createUser: u => { guard(); if (u.user in state.users) fail("Location51003", 51003); state.users[u.user] = u.pwd; did.push("made " + u.user); },
    changeUserPassword: (user, pwd) => { guard(); state.users[user] = pwd; did.push("changed " + user); },
  }),
};
globalThis.rs = {
  status: () => { guard(); if (state.set === "other") fail("InvalidReplicaSetConfig", 93); if (!state.set) fail("NotYetInitialized", 94); },
  initiate: c => { state.set = true; did.push("began " + c._id + " at " + c.members[0].host); },
};
globalThis.load = file => did.push("ran " + require("path").basename(file));
process.on("exit", () => console.log(did.join(", ")));
`

// The set-up of MongoDB may be repeated, whether or not clients must log in.
func TestMongoDBSetUp(t *testing.T) {
	needs(t, "node")
	p, err := generate(t, "t.nix", `{ services.mongodb.a.enable = true; }`)
	if err != nil {
		t.Fatal(err)
	}
	script, _ := p.Processes["mongodb.a-setup"].Files[0].Content.Literal()
	mark := filepath.Join(t.TempDir(), "mark")
	for _, c := range []struct{ name, state, env, want string }{
		{"the first start", `{"users": {}}`, "", "made me"},
		{"later", `{"users": {"me": "p"}}`, "", ""},
		{"another password", `{"users": {"me": "old"}}`, "", "changed me"},
		{"another password, where clients must log in", `{"users": {"me": "old"}, "auth": true}`, "", "Error: Unauthorized"},
		{"the first start, where clients must log in", `{"users": {}, "auth": true}`, "", "made me"},
		{"a replica set", `{"users": {}, "set": false}`, "NIX2GPU_SET=rs NIX2GPU_MEMBER=h:1", "began rs at h:1, made me"},
		{"a replica set, later, where clients must log in", `{"users": {"me": "p"}, "set": true, "auth": true}`, "NIX2GPU_SET=rs NIX2GPU_MEMBER=h:1", ""},
		{"a replica set that has another address", `{"users": {"me": "p"}, "set": "other"}`, "NIX2GPU_SET=rs NIX2GPU_MEMBER=h:2", "Error: InvalidReplicaSetConfig"},
		{"a script", `{"users": {}}`, "NIX2GPU_SCRIPT=/x/first.js NIX2GPU_MARK=" + mark, "made me, ran first.js"},
		{"a script, later", `{"users": {"me": "p"}}`, "NIX2GPU_SCRIPT=/x/first.js NIX2GPU_MARK=" + mark, ""},
		{"killed between", `{"users": {"me": "p"}}`, "NIX2GPU_SCRIPT=/x/first.js NIX2GPU_MARK=" + mark + "2", "ran first.js"},
	} {
		cmd := exec.CommandContext(t.Context(), "node", "-e", mongosh+script)
		cmd.Env = append(os.Environ(), append(strings.Fields(c.env), "NIX2GPU_USER=me", "NIX2GPU_PASSWORD=p", "STATE="+c.state)...)
		out, err := cmd.CombinedOutput()
		got := strings.TrimSpace(string(out))
		if err != nil && strings.Contains(got, c.want) && strings.HasPrefix(c.want, "Error: ") {
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %q, want %q", c.name, err, got, c.want)
		}
	}
}
