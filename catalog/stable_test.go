package catalog_test

import (
	"testing"

	"nix2gpu/catalog"
)

// A definition comes to the same project each time: else a reload would restart what nobody
// has changed, and an image would have other bytes.
func TestProjectsAreStable(t *testing.T) {
	for _, typ := range catalog.Types() {
		t.Run(typ.Name, func(t *testing.T) {
			text, first := everything(t, typ.Name), ""
			for range 10 { // what goes by the order of a map rarely has the same one ten times
				p, err := generate(t, "t.nix", text)
				if err != nil {
					t.Fatal(err)
				}
				data, err := p.Encode()
				if err != nil {
					t.Fatal(err)
				}
				if first == "" {
					first = string(data)
				}
				if string(data) != first {
					t.Fatalf("got\n%s\nand before\n%s", data, first)
				}
			}
		})
	}
}

// A topic's setting may name a file of the definition's folder.
func TestTopicsNamePlaces(t *testing.T) {
	p, err := generate(t, "t.nix", `{ services.kafka.a = { enable = true; topics.orders.settings.note = "${./note}"; }; }`)
	if err != nil {
		t.Fatal(err)
	}
	words := p.Processes["apache-kafka.a-setup"].Command.Exec
	if last := words[len(words)-1]; len(last) != 2 || last[0].Literal != "--config=note=" || last[1].Root == nil {
		t.Errorf("the last word is %+v, want a place in it", last)
	}
}
