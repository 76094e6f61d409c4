package server

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/supervisor"
)

// used is what services use now; nil where that is not known.
func (s *Server) used(ctx context.Context) map[project.ID]*control.ServiceUsage {
	if s.opts.Usage == nil {
		return nil
	}
	usage, err := s.opts.Usage(ctx, false)
	if err != nil {
		return nil
	}
	out := make(map[project.ID]*control.ServiceUsage, len(usage.Services))
	for i := range usage.Services {
		out[usage.Services[i].ID] = &usage.Services[i]
	}
	return out
}

// pcPorts answers with the ports on which a process listens.
func (s *Server) pcPorts(w http.ResponseWriter, r *http.Request) error {
	id, err := s.resolveOne(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	ports := map[string][]int{"tcp": {}, "udp": {}}
	if u := s.used(r.Context())[id]; u != nil {
		for _, l := range u.Listens {
			ports[l.Protocol] = append(ports[l.Protocol], l.Port)
		}
	}
	for _, list := range ports {
		slices.Sort(list)
	}
	writeJSON(w, http.StatusOK, map[string]any{"name": r.PathValue("name"), "tcp_ports": slices.Compact(ports["tcp"]), "udp_ports": slices.Compact(ports["udp"])})
	return nil
}

// truncate removes what services have printed.
func (s *Server) truncate(ctx context.Context, ids []project.ID, _ control.Action) error {
	p, err := s.opts.Engine.Project(ctx)
	if err != nil || s.opts.Truncate == nil {
		return err
	}
	for _, source := range sourcesOf(p, ids) {
		if err := s.opts.Truncate(source); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) pcTruncate(w http.ResponseWriter, r *http.Request) error {
	return s.pcAction(s.truncate)(w, r)
}

func (s *Server) pcAction(do func(context.Context, []project.ID, control.Action) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		name := r.PathValue("name")
		ids, err := s.resolve(r.Context(), []string{name})
		if err != nil {
			return err
		}
		return s.pcDo(w, r, name, ids, do)
	}
}

// pcDo acts on services, and answers with the name by which they were called.
func (s *Server) pcDo(w http.ResponseWriter, r *http.Request, name string, ids []project.ID, do func(context.Context, []project.ID, control.Action) error) error {
	about(r, "services", names(ids))
	if err := do(r.Context(), ids, control.Action{}); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"name": name})
	return nil
}

// pcStopAll stops several processes, and answers how that went for each. One that could
// not be stopped makes it 207, all of them 400.
func (s *Server) pcStopAll(w http.ResponseWriter, r *http.Request) error {
	var list []string
	if err := s.decode(w, r, maxBody, &list); err != nil {
		return err
	}
	if len(list) == 0 {
		return &control.Error{Code: control.CodeInvalid, Msg: "the body names no process", Hint: `["api", "db"]`}
	}
	about(r, "services", names(list))
	outcome, failed := map[string]string{}, 0
	var last error
	for _, name := range list {
		ids, err := s.resolve(r.Context(), []string{name})
		if err == nil {
			err = s.stop(r.Context(), ids, control.Action{})
		}
		if outcome[name] = "ok"; err != nil {
			outcome[name], last = err.Error(), err
			failed++
		}
	}
	switch failed {
	case 0:
		writeJSON(w, http.StatusOK, outcome)
	case len(list):
		return &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("none of %s could be stopped: %v", strings.Join(list, ", "), last), Hint: "GET /processes lists them"}
	default:
		writeJSON(w, http.StatusMultiStatus, outcome)
	}
	return nil
}

func (s *Server) pcSignal(w http.ResponseWriter, r *http.Request) error {
	signal, err := project.ParseSignal(r.PathValue("signal"))
	if err != nil {
		return &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("the signal %v", err), Hint: "name it by its number: 1 is HUP, 15 is TERM"}
	}
	return s.pcAction(func(ctx context.Context, ids []project.ID, _ control.Action) error {
		return s.opts.Engine.Kill(ctx, ids, signal)
	})(w, r)
}

// maxKeys bounds what is typed at once: a terminal keeps no longer line for a program.
const maxKeys = 4095

// pcSendKeys types into the terminal of a process.
func (s *Server) pcSendKeys(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Keys string `json:"keys"`
	}
	if err := s.decode(w, r, maxBody, &req); err != nil {
		return err
	}
	keys, err := project.ParseTyped(req.Keys)
	if err != nil {
		return &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("keys %v", err)}
	}
	if s.opts.Type == nil {
		return &control.Error{Code: control.CodeInvalid, Msg: "not supported: typing into a process of this project"}
	}
	if len(keys) == 0 || len(keys) > maxKeys {
		return &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("keys must be 1 to %d bytes, not %d", maxKeys, len(keys)), Hint: `{"keys": "q\\r"}`}
	}
	id, err := s.resolveOne(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	return s.pcDo(w, r, r.PathValue("name"), []project.ID{id}, func(ctx context.Context, ids []project.ID, _ control.Action) error {
		return s.opts.Type(ctx, ids[0], keys)
	})
}

// pcScale runs another number of replicas of a process, which any of them stands for.
func (s *Server) pcScale(w http.ResponseWriter, r *http.Request) error {
	n, err := strconv.Atoi(r.PathValue("scale"))
	if err != nil || n < 1 || n > control.MaxReplicas {
		return &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("the number of replicas must be from 1 to %d, not %q", control.MaxReplicas, r.PathValue("scale"))}
	}
	ids, err := s.resolve(r.Context(), []string{r.PathValue("name")})
	if err != nil {
		return err
	}
	family := r.PathValue("name")
	for _, st := range s.opts.Engine.Snapshot().Services {
		if st.ID == ids[0] && st.Family != "" {
			family = st.Family
		}
	}
	if _, err := s.evaluated(r, map[string]int{family: n}); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"name": r.PathValue("name")})
	return nil
}

// pcReload reads the definition again, and answers what became of each process.
func (s *Server) pcReload(w http.ResponseWriter, r *http.Request) error {
	done, err := s.evaluated(r, nil)
	if err != nil {
		return err
	}
	pcChanged(w, done)
	return nil
}

// pcChanged answers what became of each process.
func pcChanged(w http.ResponseWriter, done supervisor.Reloaded) {
	status := map[string]string{}
	for word, ids := range map[string][]project.ID{"added": done.Added, "removed": done.Removed, "updated": done.Changed} {
		for _, label := range labelsOf(done, ids) {
			status[label] = word
		}
	}
	writeJSON(w, http.StatusOK, status)
}

// labelsOf are the labels of services that a reload has told of.
func labelsOf(done supervisor.Reloaded, ids []project.ID) (out []string) {
	for _, one := range done.Plan {
		if slices.Contains(ids, one.ID) {
			out = append(out, one.Label)
		}
	}
	return out
}

func (s *Server) pcProjectName(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"projectName": s.opts.Engine.Snapshot().Project})
	return nil
}

// byNamespace are the services of each namespace.
func (s *Server) byNamespace() map[string][]project.ID {
	out := map[string][]project.ID{}
	services := s.opts.Engine.Snapshot().Services
	for i := range services {
		for _, name := range control.NamespacesOf(&services[i]) {
			out[name] = append(out[name], services[i].ID)
		}
	}
	return out
}

func (s *Server) pcNamespaces(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, slices.Sorted(maps.Keys(s.byNamespace())))
	return nil
}

func (s *Server) pcNamespace(do func(context.Context, []project.ID, control.Action) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		name := r.PathValue("name")
		ids := s.byNamespace()[name]
		if len(ids) == 0 {
			return &control.Error{Code: control.CodeNotFound, Msg: fmt.Sprintf("no namespace %q", name), Hint: "GET /namespaces lists them"}
		}
		return s.pcDo(w, r, name, ids, do)
	}
}

func (s *Server) pcGraph(w http.ResponseWriter, r *http.Request) error {
	p, err := s.opts.Engine.Project(r.Context())
	if err != nil {
		return err
	}
	g, err := control.NewProcessGraph(control.NewGraph(p, nil, nil), s.opts.Engine.Snapshot().Services)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, g)
	return nil
}
