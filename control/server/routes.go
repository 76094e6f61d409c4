package server

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/spelling"
)

// A Route is one request that the server answers. Its table is what requests are
// dispatched by, and what their reference is made of.
type Route struct {
	Method, Path string // as http.ServeMux has them
	Doc          string // the first sentence is the summary
	Access       Access
	Query        []Param
	Body         any         // a value of the type of the body; nil: none
	BodyOptional bool        // it may be left out
	Answer       any         // a value of the type of the answer; nil: none
	Stream       bool        // Answer is one line of an answer without an end
	Media        []string    // media types of an answer that is not JSON, or not only
	Statuses     map[int]any // further answers that are no error: a value of the type of each

	serve func(*Server, http.ResponseWriter, *http.Request) error
}

// A Param is a parameter in the query of a request.
type Param struct {
	Name, Doc string
	Kind      ParamKind
}

// A ParamKind says what a parameter may be.
type ParamKind string

// The kinds of parameters.
const (
	ParamText   ParamKind = "text"
	ParamList   ParamKind = "list" // it may be repeated
	ParamNumber ParamKind = "number"
	ParamSwitch ParamKind = "switch" // yes or no
	ParamTime   ParamKind = "time"   // RFC 3339, or a duration before now
)

// An Access is what a request needs beside the right to ask.
type Access string

// The kinds of access. Over TCP, AccessRead and AccessAct are given to whoever has the
// token, AccessLocal never, and the others if they were allowed by name.
const (
	AccessRead       Access = "read"
	AccessAct        Access = "act" // start, stop and restart
	AccessKill       Access = "kill"
	AccessScale      Access = "scale"
	AccessReload     Access = "reload"
	AccessDown       Access = "down"
	AccessTruncate   Access = "truncate"   // what services have printed is removed
	AccessDefinition Access = "definition" // commands, users, and the project itself
	AccessLocal      Access = "local"      // the asking process is looked up: only the socket knows it
)

var (
	paramService  = Param{"service", "Only of these services; a name as the command line takes it.", ParamList}
	formatsStream = []string{"application/x-ndjson"}
)

// Routes are all requests of ours, in the order of their reference.
func Routes() []Route {
	return []Route{
		{Method: "GET", Path: "/v1/state", Doc: "The state of the project and its services.",
			Answer: control.State{}, serve: (*Server).getState},
		{Method: "GET", Path: "/v1/health", Doc: "Whether all is well. The status is 200 if every service that was asked for is ready or has completed, otherwise 503.",
			Query: []Param{paramService}, Answer: control.HealthReport{}, Statuses: map[int]any{http.StatusServiceUnavailable: control.HealthReport{}}, serve: (*Server).getHealth},
		{Method: "GET", Path: "/v1/services", Doc: "The services, sorted by label.",
			Query: []Param{paramService}, Answer: []control.Service{}, serve: (*Server).getServices},
		{Method: "GET", Path: "/v1/services/{name}", Doc: "One service.",
			Answer: control.Service{}, serve: (*Server).getService},
		{Method: "GET", Path: "/v1/graph", Doc: "What each service waits for before it starts. Without names, of all enabled services.",
			Query: []Param{paramService}, Answer: control.Graph{}, serve: (*Server).getGraph},
		{Method: "GET", Path: "/v1/usage", Doc: "What services use now, and where they listen. With GPUs, nvidia-smi is run, which can take seconds.",
			Query: []Param{{"gpus", "Whether GPUs are asked for. Default: yes.", ParamSwitch}}, Answer: control.Usage{}, serve: (*Server).getUsage},
		{Method: "GET", Path: "/metrics", Doc: "Metrics in Prometheus' text format.",
			Media: []string{metricsMedia}, serve: (*Server).getMetrics},
		{Method: "GET", Path: "/v1/startup", Doc: "How the starts of services went, step by step.",
			Answer: control.Startups{}, serve: (*Server).getStartup},
		{Method: "GET", Path: "/v1/events", Doc: "A stream of changes: first the whole state, then a message for each change of a service, at last how the project ended. " +
			"It is JSON lines, or with the header \"Accept: text/event-stream\" server-sent events, named state, change and end. " +
			"A reader that was cut off goes on with the id of its last message, as the header Last-Event-ID or as the parameter; if what came meanwhile is not kept any more, the stream begins with a state again.",
			Query: []Param{{"after", "The id of the last message that was read.", ParamText},
				{"follow", "Whether the stream goes on with what comes. Default: yes.", ParamSwitch}},
			Answer: control.Message{}, Stream: true, Media: []string{"application/x-ndjson", "text/event-stream"}, serve: (*Server).getEvents},
		{Method: "GET", Path: "/v1/logs", Doc: "What services have printed, merged by time: since the project was started, unless since, until or previous say otherwise.",
			Query: []Param{paramService,
				{"tail", "Only the last so many lines of each process; 0: none of what is there.", ParamNumber},
				{"since", "Only lines since then.", ParamTime},
				{"until", "Only lines until then.", ParamTime},
				{"grep", "Only lines that match the regular expression; without capitals, case is ignored.", ParamText},
				{"priority", "Only lines of this level or worse: err, warning, info, debug or another one of syslog. Lines that tell no level count as info.", ParamText},
				{"field", "Only JSON lines that have this field: status=500 or request.method=GET. Several must all be there.", ParamList},
				{"stream", "Only lines of this stream: stdout or stderr.", ParamText},
				{"previous", "Only the run before the last one.", ParamSwitch},
				{"follow", "Go on with new lines as they come, until the project ends.", ParamSwitch}},
			Answer: control.LogLine{}, Stream: true, Media: formatsStream, serve: (*Server).getLogs},
		{Method: "POST", Path: "/v1/start", Doc: "Starts services and what they depend on, without waiting for them. Without names, all that are enabled.",
			Access: AccessAct, Body: control.Action{}, Answer: control.Reply{}, serve: acts((*Server).start)},
		{Method: "POST", Path: "/v1/stop", Doc: "Tells services to stop.",
			Access: AccessAct, Body: control.Action{}, Answer: control.Reply{}, serve: acts((*Server).stop)},
		{Method: "POST", Path: "/v1/restart", Doc: "Stops services that run, and starts them again.",
			Access: AccessAct, Body: control.Action{}, Answer: control.Reply{}, serve: acts((*Server).restart)},
		{Method: "POST", Path: "/v1/wait", Access: AccessRead, Doc: "Answers when the services meet what Action.for says: settled, stopped, or a condition of depends_on. A copy is waited for until it has ended.",
			Body: control.Action{}, Answer: control.Reply{}, serve: acts((*Server).wait)},
		{Method: "POST", Path: "/v1/kill", Doc: "Sends a signal to the main processes of services.",
			Access: AccessKill, Body: control.Action{}, Answer: control.Reply{}, serve: acts((*Server).kill)},
		{Method: "POST", Path: "/v1/truncate", Doc: "Removes what services have printed so far, in earlier runs too.",
			Access: AccessTruncate, Body: control.Action{}, Answer: control.Reply{}, serve: acts((*Server).truncate)},
		{Method: "POST", Path: "/v1/scale", Doc: "Evaluates the definition again, with other numbers of replicas, and brings the project to it. Other numbers stay as they are.",
			Access: AccessScale, Body: control.ScaleRequest{}, Answer: control.Changes{}, serve: (*Server).scale},
		{Method: "POST", Path: "/v1/reload", Doc: "Makes the supervisor run another project. Without a body, it evaluates the definition again.",
			Access: AccessReload, Body: project.Project{}, BodyOptional: true, Answer: control.Changes{}, serve: (*Server).reload},
		{Method: "POST", Path: "/v1/plan", Doc: "What a reload of the same body would do. Nothing is changed.",
			Access: AccessReload, Body: project.Project{}, Answer: []control.Planned{}, serve: (*Server).plan},
		{Method: "POST", Path: "/v1/down", Doc: "Stops the whole project; the supervisor ends. With Action.now without grace.",
			Access: AccessDown, Body: control.Action{}, BodyOptional: true, Answer: control.Reply{}, serve: acts((*Server).down)},
		{Method: "GET", Path: "/v1/details", Doc: "What a close look at each service shows beside its state.",
			Access: AccessDefinition, Answer: []control.Detail{}, serve: (*Server).getDetails},
		{Method: "GET", Path: "/v1/project", Doc: "The project that runs, with secrets masked. The user who runs it may ask for it as it is.",
			Access: AccessDefinition, Query: []Param{{"masked", "Whether secrets are masked. Default: yes.", ParamSwitch}}, Answer: project.Project{}, serve: (*Server).getProject},
		{Method: "POST", Path: "/v1/exec", Doc: "The surroundings of a service, for a command that the asking process becomes, secrets included.",
			Access: AccessLocal, Body: control.ExecRequest{}, Answer: control.Surroundings{}, serve: (*Server).exec},
		{Method: "POST", Path: "/v1/run", Doc: "Starts what a service depends on, waits for it, and answers what a copy of the service is, which the asking process runs, secrets included.",
			Access: AccessLocal, Body: control.RunRequest{}, Answer: control.Copy{}, serve: (*Server).run},
		{Method: "POST", Path: "/v1/ended", Doc: "Takes from the process that ran a copy how that ended, so that who waits for it learns it. Without a name: that it runs none. A project that was begun for copies ends with the last of them.",
			Access: AccessLocal, Body: control.EndedCopy{}, Answer: control.Reply{}, serve: (*Server).copyEnded},
		{Method: "POST", Path: "/v1/attach", Doc: "The terminal of a service: the connection becomes nix2gpu-attach (101), frames of a kind (d: text, r: a size, e: the end), four bytes of length, and data.",
			Access: AccessLocal, Body: control.AttachRequest{}, Statuses: map[int]any{http.StatusSwitchingProtocols: nil}, serve: (*Server).attach},
	}
}

// query is the parameters of a request, checked against those of its route.
type query url.Values

// parameters checks the parameters of a request: one that is not known is a mistake.
func (route *Route) parameters(r *http.Request) (query, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("the query of the request: %v", err)}
	}
	var names []string
	for _, p := range route.Query {
		names = append(names, p.Name)
	}
	for name, given := range values {
		i := slices.Index(names, name)
		if i < 0 {
			e := &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("%s takes no parameter %q", route.Path, name)}
			switch near := spelling.Nearest(name, names); {
			case near != "":
				e.Hint = fmt.Sprintf("did you mean %q?", near)
			case len(names) > 0:
				e.Hint = "those that it takes are " + strings.Join(names, ", ")
			}
			return nil, e
		}
		if route.Query[i].Kind != ParamList && len(given) > 1 {
			return nil, &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("parameter %q is given %d times", name, len(given)), Hint: "give it once"}
		}
	}
	return query(values), nil
}

func (q query) text(name string) string { return url.Values(q).Get(name) }

// list returns the values of a parameter that may be repeated.
func (q query) list(name string) []string { return q[name] }

// on returns a switch, or what it is where it is not given.
func (q query) on(name string, otherwise bool) (bool, error) {
	switch text := q.text(name); text {
	case "":
		return otherwise, nil
	case "yes", "true", "1":
		return true, nil
	case "no", "false", "0":
		return false, nil
	default:
		return false, &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("parameter %q must be yes or no, not %q", name, text)}
	}
}

// number returns a number that is not negative, and whether it is given.
func (q query) number(name string) (n int, given bool, err error) {
	text := q.text(name)
	if text == "" {
		return 0, false, nil
	}
	n, err = strconv.Atoi(text)
	if err != nil || n < 0 || n > maxLogLines {
		return 0, false, &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("parameter %q must be a number from 0 to %d, not %q", name, maxLogLines, text)}
	}
	return n, true, nil
}
