// Command kubernetes-types decodes the documents on its stdin strictly into the
// types of k8s.io/api: a field that these have not is an error, and so is a value of
// another kind. It says on stdout what it has read. It is a module of its own: what
// those types bring along is no part of nix2gpu's go.mod.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	data, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	for n, doc := range bytes.Split(data, []byte("\n---\n")) {
		if err := decode(doc, out); err != nil {
			return fmt.Errorf("document %d: %w", n+1, err)
		}
	}
	return nil
}

func decode(doc []byte, out io.Writer) error {
	var head struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(doc, &head); err != nil {
		return err
	}
	switch head.APIVersion + " " + head.Kind {
	case "v1 Service":
		var s core.Service
		if err := strict(doc, &s); err != nil {
			return err
		}
		fmt.Fprintf(out, "Service %s\n", s.Name)
		for _, p := range s.Spec.Ports {
			fmt.Fprintf(out, "  port %d to %s\n", p.Port, p.TargetPort.String())
		}
	case "v1 Pod":
		var p core.Pod
		if err := strict(doc, &p); err != nil {
			return err
		}
		fmt.Fprintf(out, "Pod %s\n", p.Name)
		pod(out, &p.Spec)
	case "apps/v1 StatefulSet":
		var s apps.StatefulSet
		if err := strict(doc, &s); err != nil {
			return err
		}
		fmt.Fprintf(out, "StatefulSet %s of %d\n", s.Name, *s.Spec.Replicas)
		pod(out, &s.Spec.Template.Spec)
		for _, c := range s.Spec.VolumeClaimTemplates {
			storage := c.Spec.Resources.Requests[core.ResourceStorage]
			fmt.Fprintf(out, "  claim %s of %s\n", c.Name, storage.String())
		}
	default:
		return fmt.Errorf("neither a Service nor a Pod nor a StatefulSet: %q of %q", head.Kind, head.APIVersion)
	}
	return nil
}

// strict decodes as the API server does what kubectl makes of a document: with the
// types that YAML gives to bare words.
func strict(doc []byte, into any) error {
	data, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return err
	}
	unknown, err := json.UnmarshalStrict(data, into)
	return errors.Join(append(unknown, err)...)
}

// pod shows what of a pod has a type of its own.
func pod(out io.Writer, spec *core.PodSpec) {
	fmt.Fprintf(out, "  grace %ds, restart %s\n", *spec.TerminationGracePeriodSeconds, spec.RestartPolicy)
	volumes := map[string]core.Volume{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = v
	}
	for _, c := range spec.Containers {
		if gpus, ok := c.Resources.Limits["nvidia.com/gpu"]; ok {
			fmt.Fprintf(out, "  %d GPUs\n", gpus.Value())
		}
		for name, p := range map[string]*core.Probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
			if p != nil && (p.Exec == nil || len(p.Exec.Command) == 0) {
				fmt.Fprintf(out, "  no command in the %s probe\n", name)
			}
		}
		for _, e := range c.Env {
			fmt.Fprintf(out, "  %s from secret %s\n", e.Name, e.ValueFrom.SecretKeyRef.Name)
		}
		for _, m := range c.VolumeMounts {
			kind := "claim"
			switch v := volumes[m.Name]; {
			case v.EmptyDir != nil:
				kind = string(v.EmptyDir.Medium)
			case v.Secret != nil:
				kind = fmt.Sprintf("secret %s, mode %o", v.Secret.SecretName, *v.Secret.DefaultMode)
			}
			fmt.Fprintf(out, "  %s: %s\n", m.MountPath, kind)
		}
	}
}
