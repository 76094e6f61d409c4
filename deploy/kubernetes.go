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

// kubernetesFile writes Kubernetes objects, each a document: a Service for the ports and
// a Pod or, if content has to be kept, a StatefulSet, whose volume claims stay when it
// is deleted.
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
	case len(n.folders) > 0: // a StatefulSet must have a Service
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

// kubernetesSecret returns the command that makes the Secret for the pod.
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

// podSpec makes the specification of the pod.
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
	if n.services { // without services, nothing answers a probe
		c = append(c, pairs(
			"startupProbe", execProbe("live", 2, 150), // the first start of a database takes long
			"readinessProbe", execProbe("ready", 10, 3),
			"livenessProbe", execProbe("live", 10, 3))...)
	}
	mounts := []yaml.MapSlice{pairs("name", memoryVolume, "mountPath", "/dev/shm")}
	volumes := []yaml.MapSlice{pairs("name", memoryVolume, "emptyDir", pairs("medium", "Memory"))}
	for i, v := range n.volumes() {
		// A folder below the volume's root, because file systems have a lost+found
		// there.
		mounts = append(mounts, pairs("name", dataVolume, "mountPath", n.folders[i], "subPath", v))
	}
	secretMounts, items := mountsOf(n.files)
	if len(items) > 0 {
		mounts = append(mounts, secretMounts...)
		// Podman 4.3 panics if "optional" is left out.
		volumes = append(volumes, pairs("name", secretVolume, "secret", pairs("secretName", name, "optional", false, "defaultMode", 0o400, "items", items)))
	}
	c = append(c, pairs("volumeMounts", mounts)...)
	restart := "Always"
	if len(n.folders) == 0 && n.p.WhenDone != project.WhenDoneStay {
		restart = "OnFailure" // a project that has completed must not run again
	}
	return pairs(
		"restartPolicy", restart,
		"terminationGracePeriodSeconds", wholeSeconds(n.stop+stopMargin),
		"automountServiceAccountToken", false, // nothing in the pod talks to the cluster
		"enableServiceLinks", false, // no variables about other services of the cluster
		"containers", []yaml.MapSlice{c},
		"volumes", volumes)
}

// secretsDir is the folder in which engines mount secrets. Nothing else can be there.
const secretsDir = "/run/secrets"

// mountsOf makes the mounts of files: one for all in the folder of secrets, and one for
// each other file.
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

// label makes a name valid for all kinds of Kubernetes objects. It leaves room for the
// suffix in names of a StatefulSet's pods.
func label(name string) string {
	const longest = 52
	s := idOf(name)
	if s[0] >= '0' && s[0] <= '9' {
		s = "c-" + s
	}
	return strings.TrimRight(s[:min(len(s), longest)], "-")
}
