package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nix2gpu/project"
)

// settings prints the limits of a service, which of them are not enforced, and what the
// kernel was told of it, in the words of a definition.
func (b *block) settings() {
	if limits := limitWords(&b.detail.Limits); len(limits) > 0 {
		b.line("limits", "%s", strings.Join(limits, ", "))
	}
	if u := b.detail.Unlimited; u != nil {
		b.line("unenforced", "%s: %s", strings.Join(u.Limits, ", "), u.Why)
	}
	if settings := settingWords(&b.detail.Settings); len(settings) > 0 {
		b.line("settings", "%s", strings.Join(settings, ", "))
	}
}

func limitWords(l *project.Limits) (words []string) {
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if l.Memory > 0 {
		add("memory %s", memory(l.Memory))
	}
	if l.CPUs > 0 {
		add("cpus %v", l.CPUs)
	}
	if l.Pids > 0 {
		add("pids %d", l.Pids)
	}
	if l.NoFile > 0 {
		add("nofile %d", l.NoFile)
	}
	if l.IO.Weight > 0 {
		add("io.weight %d", l.IO.Weight)
	}
	for _, m := range l.IO.Max {
		for _, rate := range []struct {
			name  string
			n     int64
			bytes bool
		}{{"readBandwidthMax", m.ReadBytes, true}, {"writeBandwidthMax", m.WriteBytes, true}, {"readIOPSMax", m.ReadOps, false}, {"writeIOPSMax", m.WriteOps, false}} {
			if rate.n == 0 {
				continue
			}
			value := fmt.Sprint(rate.n)
			if rate.bytes {
				value = memory(rate.n)
			}
			add("%s", "io."+rate.name+" of "+m.Path.String()+" "+value+"/s")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.Rlimits)) {
		limit := l.Rlimits[name]
		value := rlimitValue(name, limit.Soft)
		if limit.Hard != limit.Soft {
			value += " to " + rlimitValue(name, limit.Hard)
		}
		add("%s %s", name, value)
	}
	return words
}

func rlimitValue(name string, n uint64) string {
	switch {
	case n == project.Infinity:
		return "infinity"
	case project.InBytes(name) && n < 1<<63:
		return memory(int64(n))
	}
	return fmt.Sprint(n)
}

func settingWords(s *project.Settings) (words []string) {
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if s.Nice != nil {
		add("nice %d", *s.Nice)
	}
	if s.OOMScoreAdjust != nil {
		add("oomScoreAdjust %d", *s.OOMScoreAdjust)
	}
	if s.Umask != "" {
		add("umask %s", s.Umask)
	}
	if len(s.Groups) > 0 {
		add("supplementaryGroups %s", strings.Join(s.Groups, " "))
	}
	if s.Capabilities != nil {
		names := strings.Join(*s.Capabilities, " ")
		if names == "" {
			names = "none"
		}
		add("capabilities %s", names)
	}
	if s.Network != "" {
		add("network %s", s.Network)
	}
	if s.Sandbox != "" {
		add("sandbox %s", s.Sandbox)
	}
	for i, path := range s.Writable {
		if i == 0 {
			add("readWritePaths %s", path)
			continue
		}
		words[len(words)-1] += " " + path.String()
	}
	return words
}
