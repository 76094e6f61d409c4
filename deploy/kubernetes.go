package deploy

import (
	"cmp"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"nix2gpu/project"
)

// kubernetesFile is the objects of Kubernetes, one document each: a Service for
// the ports, and a Pod; where something is to be kept a StatefulSet, which keeps
// its claims when it is deleted.
func kubernetesFile(n *needs, opts Options) ([]byte, error) {
	name := label(n.p.Name)
	labels := pairs("app.kubernetes.io/name", name)
	var docs []yaml.MapSlice
	service := pairs("apiVersion", "v1", "kind", "Service", "metadata", pairs("name", name, "labels", labels))
	spec := pairs("selector", labels)
	switch {
	case len(n.ports) > 0:
		var ports []yaml.MapSlice
		for _, p := range n.ports {
			ports = append(ports, pairs("name", portName(p), "port", p.number, "targetPort", portName(p), "protocol", strings.ToUpper(p.protocol)))
		}
		spec = append(spec, pairs("ports", ports)...)
	case len(n.folders) > 0: // a StatefulSet has one in any case
		spec = append(spec, pairs("clusterIP", "None")...)
	}
	if len(spec) > 1 {
		docs = append(docs, append(service, pairs("spec", spec)...))
	}
	pod := podSpec(n, opts, name)
	if len(n.folders) == 0 {
		docs = append(docs, pairs("apiVersion", "v1", "kind", "Pod", "metadata", pairs("name", name, "labels", labels), "spec", pod))
	} else {
		docs = append(docs, pairs("apiVersion", "apps/v1", "kind", "StatefulSet", "metadata", pairs("name", name, "labels", labels),
			"spec", pairs("serviceName", name, "replicas", 1, "selector", pairs("matchLabels", labels),
				"template", pairs("metadata", pairs("labels", labels), "spec", pod),
				"volumeClaimTemplates", []yaml.MapSlice{pairs("metadata", pairs("name", dataVolume), "spec",
					pairs("accessModes", []string{"ReadWriteOnce"}, "resources", pairs("requests", pairs("storage", strconv.Itoa(opts.Volume)+"Gi"))))})))
	}
	out := []byte(head(Kubernetes, cmp.Or(opts.From, n.p.Name), kubernetesSecret(n, name)))
	for i, doc := range docs {
		text, err := yamlText(doc)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, "---\n"...)
		}
		out = append(out, text...)
	}
	return out, nil
}

// kubernetesSecret is the command that makes the Secret which the pod refers to.
func kubernetesSecret(n *needs, name string) []string {
	if len(n.files)+len(n.variables) == 0 {
		return nil
	}
	needed := false
	lines := []string{"kubectl create secret generic " + name}
	for _, f := range n.files {
		needed = true
		lines = append(lines, fmt.Sprintf("  --from-file=%s=%s", f.key, cmp.Or(f.source, "FILE")))
	}
	for _, v := range n.variables {
		needed = needed || !v.optional
		lines = append(lines, fmt.Sprintf("  --from-literal=%s=VALUE", v.name))
	}
	first := "It refers to a Secret, which may be missing:"
	if needed {
		first = "It refers to a Secret, to be made before:"
	}
	for i := range lines[:len(lines)-1] {
		lines[i] += " \\"
	}
	return append([]string{first}, lines...)
}

// Names of volumes in a pod.
const (
	dataVolume   = "data"
	secretVolume = "secrets"
	memoryVolume = "shm"
)

// podSpec is how the image runs.
func podSpec(n *needs, opts Options, name string) yaml.MapSlice {
	c := pairs("name", name, "image", opts.Image)
	if len(n.ports) > 0 {
		var ports []yaml.MapSlice
		for _, p := range n.ports {
			ports = append(ports, pairs("name", portName(p), "containerPort", p.number, "protocol", strings.ToUpper(p.protocol)))
		}
		c = append(c, pairs("ports", ports)...)
	}
	if len(n.variables) > 0 {
		var env []yaml.MapSlice
		for _, v := range n.variables {
			ref := pairs("name", name, "key", v.name)
			if v.optional {
				ref = append(ref, pairs("optional", true)...)
			}
			env = append(env, pairs("name", v.name, "valueFrom", pairs("secretKeyRef", ref)))
		}
		c = append(c, pairs("env", env)...)
	}
	if g := n.gpus.number(); g > 0 {
		c = append(c, pairs("resources", pairs("limits", pairs("nvidia.com/gpu", g)))...)
	}
	if n.services { // else nobody answers
		c = append(c, pairs(
			"startupProbe", execProbe("live", 2, 150), // the first start of a database takes its time
			"readinessProbe", execProbe("ready", 10, 3),
			"livenessProbe", execProbe("live", 10, 3))...)
	}
	mounts := []yaml.MapSlice{pairs("name", memoryVolume, "mountPath", "/dev/shm")}
	volumes := []yaml.MapSlice{pairs("name", memoryVolume, "emptyDir", pairs("medium", "Memory"))}
	for i, v := range n.volumes() {
		// Below the volume's root, where file systems have a lost+found.
		mounts = append(mounts, pairs("name", dataVolume, "mountPath", n.folders[i], "subPath", v))
	}
	secretMounts, items := mountsOf(n.files)
	if len(items) > 0 {
		mounts = append(mounts, secretMounts...)
		// Podman 4.3 ends in a panic where optional is left out.
		volumes = append(volumes, pairs("name", secretVolume, "secret", pairs("secretName", name, "optional", false, "defaultMode", 0o400, "items", items)))
	}
	c = append(c, pairs("volumeMounts", mounts)...)
	restart := "Always"
	if len(n.folders) == 0 && n.p.WhenDone != project.WhenDoneStay {
		restart = "OnFailure" // a project that is done has ended well
	}
	return pairs(
		"restartPolicy", restart,
		"terminationGracePeriodSeconds", wholeSeconds(n.stop+stopMargin),
		"automountServiceAccountToken", false, // nothing in there speaks to the cluster
		"enableServiceLinks", false, // variables of other services are not ours
		"containers", []yaml.MapSlice{c},
		"volumes", volumes)
}

// secretsDir is where engines mount secrets: the folder is theirs.
const secretsDir = "/run/secrets"

// mountsOf places files: those in the folder of secrets with that folder, each
// other one by itself.
func mountsOf(files []mount) (mounts, items []yaml.MapSlice) {
	whole := false
	for _, f := range files {
		if path.Dir(f.path) == secretsDir {
			items = append(items, pairs("key", f.key, "path", path.Base(f.path)))
			if !whole {
				mounts = append(mounts, pairs("name", secretVolume, "mountPath", secretsDir, "readOnly", true))
			}
			whole = true
			continue
		}
		items = append(items, pairs("key", f.key, "path", f.key))
		mounts = append(mounts, pairs("name", secretVolume, "mountPath", f.path, "subPath", f.key, "readOnly", true))
	}
	return mounts, items
}

func execProbe(verb string, period, failures int) yaml.MapSlice {
	return pairs("exec", pairs("command", []string{command, verb}), "periodSeconds", period, "timeoutSeconds", 5, "failureThreshold", failures)
}

func portName(p port) string { return p.protocol + "-" + strconv.Itoa(p.number) }

// label is a name as Kubernetes takes it for all kinds of objects. The names of a
// StatefulSet's pods are longer than its own.
func label(name string) string {
	const longest = 52
	s := idOf(name)
	if s[0] >= '0' && s[0] <= '9' {
		s = "c-" + s
	}
	return strings.TrimRight(s[:min(len(s), longest)], "-")
}
