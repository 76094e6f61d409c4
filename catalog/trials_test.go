package catalog_test

import (
	"os"
	"strings"
	"testing"

	"nix2gpu/catalog"
)

// The page says of each type whether its server tests its configuration.
func TestConfigTestsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/reference/definitions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| type | tested by |\n")
	says := map[string]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			break
		}
		says[strings.Trim(cells[1], " `")] = strings.TrimSpace(cells[2])
	}
	for _, typ := range catalog.Types() {
		p, err := generate(t, "t.nix", everything(t, typ.Name))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Services {
			if s.Type != typ.Name || typ.Name == "redis-cluster" && p.Processes[s.Main].Readiness == nil { // which makes the cluster
				continue
			}
			tested := p.Processes[s.Main].Test != nil
			if row, ok := says[typ.Name]; !ok || tested == strings.HasPrefix(row, "nothing: ") {
				t.Errorf("%s: the page says %q, and tested is %t", typ.Name, row, tested)
			}
		}
	}
}
