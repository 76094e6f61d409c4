package main

import (
	"bytes"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/rogpeppe/go-internal/testscript"
)

// cmdAge makes identities, and files that are encrypted to them:
//
//	age identity FILE
//	age seal IDENTITY PLAIN FILE
func cmdAge(ts *testscript.TestScript, neg bool, args []string) {
	switch {
	case !neg && len(args) == 2 && args[0] == "identity":
		key, err := age.GenerateX25519Identity()
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte("# a test's\n"+key.String()+"\n"), 0o600))
	case !neg && len(args) == 4 && args[0] == "seal":
		keys, err := age.ParseIdentities(strings.NewReader(ts.ReadFile(args[1])))
		ts.Check(err)
		var sealed bytes.Buffer
		lines := armor.NewWriter(&sealed)
		w, err := age.Encrypt(lines, keys[0].(*age.X25519Identity).Recipient())
		ts.Check(err)
		_, err = w.Write([]byte(ts.ReadFile(args[2])))
		ts.Check(err)
		ts.Check(w.Close())
		ts.Check(lines.Close())
		ts.Check(os.WriteFile(ts.MkAbs(args[3]), sealed.Bytes(), 0o644))
	default:
		ts.Fatalf("usage: age identity FILE, or: age seal IDENTITY PLAIN FILE")
	}
}
