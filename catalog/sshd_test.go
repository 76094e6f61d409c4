package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/project"
)

func withSystem(config string) *project.Project {
	p := &project.Project{Version: project.Version, Name: "web"}
	p.Container.SSHDConfig = config
	catalog.AddSystem(p)
	return p
}

func TestSSHDIsThereAndNotEnabled(t *testing.T) {
	p := withSystem("")
	if _, err := project.Validated(p); err != nil {
		t.Fatal(err)
	}
	if ids := p.Enabled(); len(ids) != 0 {
		t.Errorf("enabled: %v, want none", ids)
	}
	s := p.Services[catalog.SSHD]
	if s == nil || !s.System || s.Label != "sshd" || len(s.Ports) != 1 || s.Ports[0].Port != 22 {
		t.Errorf("sshd = %+v", s)
	}
	before, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	catalog.AddSystem(p)
	if after, _ := p.Encode(); string(after) != string(before) {
		t.Error("the second time is not like the first")
	}
}

func TestSSHDKeepsTheGivenConfiguration(t *testing.T) {
	for given, ports := range map[string][]int{
		"Port 2222\nport=2200\nMatch User ada\n  Port 99\n": {2222, 2200},
		"PermitRootLogin no":    {22},
		"Port 22\nSetEnv A=b\n": {22},
		"#Port 2222\n":          {22},
	} {
		p := withSystem(given)
		text, _ := p.Files["sshd/sshd_config"].Content.Literal()
		if !strings.HasSuffix(text, strings.TrimSuffix(given, "\n")+"\n") {
			t.Errorf("the file of %q is %q", given, text)
		}
		if include := strings.HasPrefix(text, "Include "); include == strings.Contains(given, "SetEnv") {
			t.Errorf("the file of %q is %q: a SetEnv line of its own must be the first", given, text)
		}
		var got []int
		for _, port := range p.Services[catalog.SSHD].Ports {
			got = append(got, port.Port)
		}
		if !slices.Equal(got, ports) {
			t.Errorf("ports of %q: %v, want %v", given, got, ports)
		}
	}
}

// What a definition calls sshd is its own.
func TestSSHDOfTheDefinition(t *testing.T) {
	p := &project.Project{Version: project.Version, Name: "web",
		Services: map[project.ID]*project.Service{"sshd": {ID: "sshd", Type: "custom", Instance: "sshd", Main: "sshd"}}}
	catalog.AddSystem(p)
	if p.Services["sshd"].System || len(p.Files) != 0 {
		t.Errorf("sshd = %+v", p.Services["sshd"])
	}
}
