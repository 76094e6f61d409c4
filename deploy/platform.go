package deploy

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	"nix2gpu/project"
)

// A Platform runs images as a file of its own format says.
type Platform string

// The platforms, by the names of their verbs.
const (
	Compose    Platform = "compose"
	Kubernetes Platform = "k8s-pod"
	Vast       Platform = "vast"
	RunPod     Platform = "runpod"
)

// Platforms lists them in the order of the documentation.
func Platforms() []Platform { return []Platform{Compose, Kubernetes, Vast, RunPod} }

// Title returns the usual name of p.
func (p Platform) Title() string {
	switch p {
	case Compose:
		return "compose"
	case Kubernetes:
		return "Kubernetes"
	case Vast:
		return "vast.ai"
	}
	return "RunPod"
}

// Options tunes the file that is written.
type Options struct {
	Image string // reference with a digest: ghcr.io/me/web@sha256:…
	From  string // what to call the definition in the first line

	// Place returns where an option was set; the zero Pos if it was not. nil: that is not
	// known of any option.
	Place func(option ...string) project.Pos

	// Entrypoint runs vast.ai's instances by the image's own entrypoint, and not in
	// vast.ai's ssh mode.
	Entrypoint bool
	Disk       int // GB of a rented machine; default: 32
	Volume     int // GB for each volume; default: 10
}

func (o *Options) setDefaults() {
	o.Disk = cmp.Or(o.Disk, 32)
	o.Volume = cmp.Or(o.Volume, 10)
	if o.Place == nil {
		o.Place = func(...string) project.Pos { return project.Pos{} }
	}
}

// Write returns the file of platform p for a project, and notes on what the file can't
// express.
func Write(p Platform, valid project.Valid, opts Options) ([]byte, []project.Note, error) {
	opts.setDefaults()
	n, err := needsOf(valid.Project(), opts.Place)
	if err != nil {
		return nil, nil, err
	}
	write := map[Platform]func(*needs, Options) ([]byte, error){
		Compose: composeFile, Kubernetes: kubernetesFile, Vast: vastFile, RunPod: runpodFile,
	}[p]
	text, err := write(n, opts)
	if err != nil {
		return nil, nil, err
	}
	return text, n.notes(p), nil
}

// An ask is a kind of [need].
type ask int

const (
	askTCP ask = iota
	askUDP
	askSCTP
	askFolder          // content to be kept, below the working directory
	askFolderElsewhere // the same, elsewhere
	askFolderUnknown   // the same, at a place that only the container knows
	askFile            // a file that the image has not
	askFileUnknown     // the same, at a place that only the container knows
	askVariable        // a variable whose value is secret
	askIdentities      // one of several files of keys
	askGPUCount        // so many GPUs
	askGPUAll          // all GPUs
	askGPUDevices      // certain GPUs
	askGPUMemory       // GPUs of so much memory
	askGPUMixed        // a number here, certain ones there
	askStop            // a time to stop, up to shortStop
	askLongStop        // a longer one
	askEnd             // an end, when all is done
	askEndWithFolders  // the same, of a project with content to be kept
	askLimits          // limits of one service among several
	askTailnet         // membership of a tailnet
	askNetwork         // a network of a service's own
	askUnsupported     // a service that this build does not run
)

// kept says that a platform fulfils a need.
const kept = ""

// A rule is a row of the table: what each platform does about a kind of need.
type rule struct {
	what string // for the reference page
	how  map[Platform]string
}

// same makes a rule that is the same for all platforms.
func same(how string) map[Platform]string {
	return map[Platform]string{Compose: how, Kubernetes: how, Vast: how, RunPod: how}
}

// rules returns the table of what each platform fulfils. For what it does not, the text
// says why, and what to do.
func rules() map[ask]rule {
	return map[ask]rule{
		askTCP: {"`exposedPorts`, TCP", same(kept)},
		askUDP: {"`exposedPorts`, UDP", map[Platform]string{Compose: kept, Kubernetes: kept, Vast: kept,
			RunPod: "RunPod forwards only TCP"}},
		askSCTP: {"`exposedPorts`, SCTP", map[Platform]string{Compose: kept, Kubernetes: kept,
			Vast: "vast.ai forwards only TCP and UDP", RunPod: "RunPod forwards only TCP"}},
		askFolder: {"data of services", map[Platform]string{Compose: kept, Kubernetes: kept, RunPod: kept,
			Vast: "it is on the instance's disk, and is lost with the instance; copy it elsewhere first"}},
		askFolderElsewhere: {"data of services outside of `workingDir`", map[Platform]string{Compose: kept, Kubernetes: kept,
			Vast:   "it is on the instance's disk, and is lost with the instance; copy it elsewhere first",
			RunPod: "RunPod's volume is the working directory; set a dataDir below it"}},
		askFolderUnknown: {"data at a place that only the container knows", same("it gets no volume")},
		askFile: {"files outside of the image: `secrets.<name>.file`, `environmentFile`, keys", map[Platform]string{Compose: kept, Kubernetes: kept,
			Vast:   "vast.ai mounts no files; take a secret from a variable (secrets.<name>.env), or copy the file there",
			RunPod: "RunPod mounts no files; take a secret from a variable (secrets.<name>.env), or copy the file to the volume"}},
		askFileUnknown: {"such files at a place that only the container knows", same("it can't be mounted")},
		askVariable: {"`secrets.<name>.env`", map[Platform]string{Compose: kept, Kubernetes: kept, RunPod: kept,
			Vast: "a template would show its value; set it among the environment variables of your account"}},
		askIdentities: {"several `age.identityPaths`", same("the first is expected there; if it is another, change that")},
		askGPUCount: {"`gpus = 2`, `gpu.count`", map[Platform]string{Compose: kept, Kubernetes: kept, Vast: kept,
			RunPod: "a template has no number of GPUs; choose it with the pod"}},
		askGPUAll: {"`gpus = \"all\"`, `cudaPackages`", map[Platform]string{Compose: kept, Vast: kept, RunPod: kept,
			Kubernetes: "Kubernetes wants a number; 1 is asked for"}},
		askGPUDevices: {"`gpus = [ \"0\" ]`, `gpu.uuid`", map[Platform]string{Compose: kept,
			Kubernetes: "Kubernetes chooses them; as many are asked for",
			Vast:       "vast.ai chooses them; as many are asked for",
			RunPod:     "RunPod chooses them; a template has no number of GPUs either"}},
		askGPUMemory: {"`gpu.memory`", map[Platform]string{Vast: kept,
			Compose:    "compose cannot ask for GPU memory; choose the machine",
			Kubernetes: "Kubernetes cannot ask for GPU memory; choose the nodes by a nodeSelector",
			RunPod:     "a template has no kind of GPU; choose it with the pod"}},
		askGPUMixed: {"a number of GPUs in one service, certain ones in another", map[Platform]string{Compose: "the container gets all GPUs",
			Kubernetes: "Kubernetes chooses; as many are asked for", Vast: "vast.ai chooses; as many are asked for",
			RunPod: "RunPod chooses; a template has no number of GPUs either"}},
		askStop: {"`stopTimeout`, up to 4 s", map[Platform]string{Compose: kept, Kubernetes: kept, RunPod: kept,
			Vast: "vast.ai stops an instance without notice"}},
		askLongStop: {"`stopTimeout`, longer", map[Platform]string{Compose: kept, Kubernetes: kept,
			Vast: "vast.ai stops an instance without notice", RunPod: "RunPod grants about 5s; what does not stop by then is killed"}},
		askEnd: {"`whenDone = \"exit\"`, where all services can end", map[Platform]string{Compose: kept, Kubernetes: kept,
			Vast: "you pay for the instance until it is destroyed", RunPod: "you pay for the pod until it is stopped"}},
		askEndWithFolders: {"the same, with data", map[Platform]string{Compose: kept,
			Kubernetes: "a StatefulSet starts it again",
			Vast:       "you pay for the instance until it is destroyed", RunPod: "you pay for the pod until it is stopped"}},
		askLimits: {"`limits` of a service", same("a platform limits the container as a whole; they are enforced only where the container may make control groups")},
		askTailnet: {"`tailscale`", map[Platform]string{
			Compose:    "the container joins in userspace mode; for all of it add cap_add: [NET_ADMIN] and devices: [/dev/net/tun]",
			Kubernetes: "the container joins in userspace mode; for all of it add the capability NET_ADMIN and the device /dev/net/tun",
			Vast:       "the container joins in userspace mode: connections to the tailnet need its proxy",
			RunPod:     "the container joins in userspace mode: connections to the tailnet need its proxy"}},
		askNetwork: {"`network = \"loopback\"`", map[Platform]string{
			Compose:    "it is not started without two capabilities; add cap_add: [SYS_ADMIN, NET_ADMIN]",
			Kubernetes: "it is not started without two capabilities; add SYS_ADMIN and NET_ADMIN",
			Vast:       "vast.ai gives a container no such capabilities, so it is not started",
			RunPod:     "RunPod gives a container no such capabilities, so it is not started"}},
		askUnsupported: {"services that this build does not run", same("it does not run there either")},
	}
}

// notes returns the needs that p does not fulfil.
func (n *needs) notes(p Platform) []project.Note {
	table := rules()
	var notes []project.Note
	for _, need := range n.all {
		if why := table[need.ask].how[p]; why != kept {
			notes = append(notes, project.Note{Service: need.service, Pos: need.pos, Text: need.text + ": " + why})
		}
	}
	order := func(a, b project.Note) int {
		return cmp.Or(a.Pos.Compare(b.Pos), cmp.Compare(a.Text, b.Text))
	}
	sort.SliceStable(notes, func(i, j int) bool { return order(notes[i], notes[j]) < 0 })
	return slices.Compact(notes)
}

// Table returns the table for the reference page, in Markdown.
func Table() string {
	var b strings.Builder
	b.WriteString("|")
	for _, p := range Platforms() {
		fmt.Fprintf(&b, " | %s", p.Title())
	}
	b.WriteString(" |\n|---" + strings.Repeat("|---", len(Platforms())) + "|\n")
	table := rules()
	for a := askTCP; a <= askUnsupported; a++ {
		fmt.Fprintf(&b, "| %s", table[a].what)
		for _, p := range Platforms() {
			how := strings.ReplaceAll(table[a].how[p], "secrets.<name>.env", "`secrets.<name>.env`")
			fmt.Fprintf(&b, " | %s", cmp.Or(how, "kept"))
		}
		b.WriteString(" |\n")
	}
	return b.String()
}
