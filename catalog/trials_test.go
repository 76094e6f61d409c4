package catalog_test

import (
	"os"
	"slices"
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

// What downloads something when it first starts says so, with what it is.
func TestDownloadsAreSaid(t *testing.T) {
	for name, what := range map[string]string{"ollama": "those of models and loadModels", "vllm": "the model into dataDir", "open-webui": "a model for searches"} {
		at := slices.IndexFunc(catalog.Types(), func(typ *catalog.ServiceType) bool { return typ.Name == name })
		if doc := catalog.Types()[at].Doc; !strings.Contains(doc, "Its first start downloads "+what) {
			t.Errorf("%s says %q", name, doc)
		}
	}
	p, err := generate(t, "t.nix", `{ services.ollama.a = { enable = true; models = [ "llama3.2:1b" ]; }; }`)
	if err != nil {
		t.Fatal(err)
	}
	if doing := p.Processes["ollama.a-setup"].Doing; !strings.Contains(doing, "downloading the model llama3.2:1b into ./data/ollama/a/models unless it is there") {
		t.Errorf("meanwhile it says %q", doing)
	}
	for definition, want := range map[string]string{
		`vllm.a = { enable = true; model = "some/model"; };`:                                                                            "downloading the model some/model into ./data/vllm/a/huggingface unless it is there, and loading it",
		`vllm.a = { enable = true; model = "some/model"; environment.HF_HOME = "/models"; };`:                                           "downloading the model some/model into /models unless it is there, and loading it",
		`vllm.a = { enable = true; model = "some/model"; extraArgs = [ "--download-dir=/srv" ]; };`:                                     "downloading the model some/model into /srv unless it is there, and loading it",
		`vllm.a = { enable = true; model = "/models/own"; };`:                                                                           "loading the model /models/own",
		`open-webui.a.enable = true;`:                                                                                                   "downloading the model sentence-transformers/all-MiniLM-L6-v2 into ./data/open-webui/a/transformers_home unless it is there, for searches",
		`open-webui.a = { enable = true; environment = { RAG_EMBEDDING_MODEL = "own/model"; SENTENCE_TRANSFORMERS_HOME = "/srv"; }; };`: "downloading the model own/model into /srv unless it is there, for searches",
		`open-webui.a = { enable = true; environment.RAG_EMBEDDING_ENGINE = "ollama"; };`:                                               "",
		`chromadb.a.enable = true;`:                                                                                                     "", // its clients make the vectors
		`open-webui.a = { enable = true; environment.OFFLINE_MODE = "True"; };`:                                                         "",
	} {
		p, err := generate(t, "t.nix", "{ services."+definition+" }")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Services {
			if doing := p.Processes[s.Main].Doing; doing != want {
				t.Errorf("%s: meanwhile it says %q, want %q", definition, doing, want)
			}
		}
	}
}
