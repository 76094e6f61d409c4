package catalog

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// Options of a web server that gets certificates by ACME: acme has the words of NixOS's
// security.acme.
const (
	acmeTermsDoc  = "Whether you accept the terms of service of the certificate authority. enableACME needs it."
	acmeEmailDoc  = "Where the authority may write to."
	acmeServer    = "string = https://acme-v02.api.letsencrypt.org/directory"
	acmeServerDoc = "The ACME directory of the certificate authority: Let's Encrypt's unless set."
	acmeCADoc     = "Certificates of authorities that may have signed that of the server, beside the machine's: for an authority of your own."
	enableACMEDoc = "Get a certificate for the names of this host from the authority that acme names, which asks for them by http at port 80, and another one before it ends. Until then the host shows one of nix2gpu's own, which nobody trusts. Certificates are below acme in dataDir."
	useACMEDoc    = "A virtual host with enableACME, whose certificate is for the names of this host, too."
	acmeRootDoc   = "The folder in which the authority finds its answers, below .well-known/acme-challenge; one in dataDir unless set."
)

// An acme gets the certificates of a web server's virtual hosts.
type acme struct {
	*Instance
	certs []*acmeCertificate
	of    map[string]*acmeCertificate // by virtual host
	asked *module.Config              // the first enableACME
}

// An acmeCertificate is one for all names of a virtual host, and of those that use it.
type acmeCertificate struct {
	names []string
	root  project.Text // of the files that the authority asks for
}

func (c *acmeCertificate) add(name string) {
	if !slices.Contains(c.names, name) {
		c.names = append(c.names, name)
	}
}

// acmePath is where an authority asks for its answers, by http (RFC 8555, section 8.3).
const acmePath = "/.well-known/acme-challenge"

// certName is what a certificate by http can be for: wildcards need another way.
var certName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
})

// newACME reads which certificates the virtual hosts need. nameOption is a host's option with its
// name; own are those with a certificate of the user's.
func newACME(in *Instance, nameOption string, own ...string) *acme {
	a := &acme{Instance: in, of: map[string]*acmeCertificate{}}
	hosts := in.Each("virtualHosts")
	for _, h := range hosts {
		if c := h.Get("acmeRoot"); h.IsSet("acmeRoot") && !c.Has() {
			c.Errorf("not supported: certificates by DNS\n  hint: leave acmeRoot out, and the authority asks by http")
		} else if c.Has() && !h.Bool("enableACME") {
			a.note(c, "acmeRoot has no effect: the host has no enableACME")
		}
		uses := h.Bool("enableACME") || h.Has("useACMEHost")
		if h.Bool("enableACME") && h.Has("useACMEHost") {
			h.Get("useACMEHost").Errorf("enableACME and useACMEHost must not both be set\n  hint: a host has a certificate of its own, or that of another one")
			continue
		}
		for _, option := range own {
			if uses && h.Has(option) {
				h.Get(option).Errorf("virtual host %q has %s, and gets a certificate by ACME\n  hint: remove one of the two", h.Name(), option)
			}
		}
		if h.Bool("enableACME") {
			root := in.Data("/acme/challenges")
			if h.Has("acmeRoot") {
				root = in.place.Path(h.Str("acmeRoot"))
			}
			cert := &acmeCertificate{root: root}
			if a.asked == nil {
				a.asked = h.Get("enableACME")
			}
			a.names(cert, h, nameOption)
			a.of[h.Name()] = a.one(cert, h)
		}
	}
	with := maps.Clone(a.of) // enableACME
	for _, h := range hosts {
		other := h.Get("useACMEHost")
		if !other.Has() || h.Bool("enableACME") {
			continue
		}
		cert := with[other.String()]
		if cert == nil {
			other.Errorf("no virtual host %q of this service has enableACME\n  hint: name one that has, or set enableACME here", other.String())
			continue
		}
		a.of[h.Name()] = cert
		a.names(cert, h, nameOption)
	}
	a.authority()
	return a
}

// one returns the certificate that has the first name of cert, as the file is called by that: hosts
// of one name, at two ports, share it.
func (a *acme) one(cert *acmeCertificate, h *module.Config) *acmeCertificate {
	i := slices.IndexFunc(a.certs, func(c *acmeCertificate) bool {
		return slices.Equal(c.names[:min(1, len(c.names))], cert.names[:min(1, len(cert.names))])
	})
	if i < 0 {
		a.certs = append(a.certs, cert)
		return cert
	}
	first := a.certs[i]
	if first.root.String() != cert.root.String() {
		h.Get("enableACME").Errorf("another virtual host is called %q, too, and has another acmeRoot\n  hint: set acmeRoot in both, or in none of them", cert.names[0])
	}
	for _, name := range cert.names {
		first.add(name)
	}
	return first
}

// names adds those of a virtual host to a certificate.
func (a *acme) names(cert *acmeCertificate, h *module.Config, nameOption string) {
	add := func(c *module.Config, name string) {
		if name = strings.ToLower(name); !certName().MatchString(name) || strings.Trim(name, "0123456789.") == "" {
			c.Errorf("no authority signs a certificate for %q by http\n  hint: it must be the full name of a machine, such as \"www.example.org\"", name)
		} else {
			cert.add(name)
		}
	}
	if h.Has(nameOption) {
		add(h.Get(nameOption), h.String(nameOption))
	} else {
		add(h, h.Name())
	}
	for _, c := range h.List("serverAliases") {
		add(c, c.String())
	}
}

// authority checks that the authority may be asked.
func (a *acme) authority() {
	c := a.Get("acme")
	if len(a.certs) == 0 {
		for _, option := range []string{"acceptTerms", "email", "server", "caFile"} {
			if c.IsSet(option) {
				a.note(c.Get(option), "acme.%s has no effect: no virtual host has enableACME", option)
			}
		}
		return
	}
	switch {
	case !c.Bool("acceptTerms"):
		a.asked.Errorf("enableACME needs acme.acceptTerms\n  hint: read the terms of service of the authority, and set acme.acceptTerms = true")
	case c.String("email") == "":
		a.asked.Errorf("enableACME needs acme.email\n  hint: set the address that the authority is to write to")
	}
	if server := c.String("server"); !strings.HasPrefix(server, "https://") {
		c.Get("server").Errorf("an ACME directory has a URL with https://, not %q\n  hint: such as \"https://acme-staging-v02.api.letsencrypt.org/directory\"", server)
	}
}

// certificate returns the file with the key and the certificate of a virtual host, and
// the root of its files for the authority; nil for one that gets none.
func (a *acme) certificate(h *module.Config) (file, root project.Text) {
	cert := a.of[h.Name()]
	if cert == nil || len(cert.names) == 0 { // an error has said why
		return nil, nil
	}
	return a.Data("/acme/" + cert.names[0] + ".pem"), cert.root
}

// plain reports a host that the authority can't ask, since that asks by http.
func (a *acme) plain(h *module.Config, plain bool) {
	if a.of[h.Name()] != nil && !plain {
		h.Errorf("virtual host %q gets a certificate by ACME, and the authority asks for it by http, where it does not listen\n  hint: set addSSL or forceSSL, or add a listen entry without ssl", h.Name())
	}
}

// pidElsewhere reports that the user has the server write its number elsewhere: then nothing
// can tell it of a new certificate.
func (a *acme) pidElsewhere(option, directive string) {
	if len(a.certs) > 0 {
		a.Get(option).Errorf("%s in %s keeps the server from being told of new certificates\n  hint: leave it out, or get no certificates by ACME", directive, option)
	}
}

// add adds what makes the certificates, before the server's start and beside it. pid is the file of
// the server's process, whose command line has config, and signal has it read them.
func (a *acme) add(main *project.Process, pid, config project.Text, signal syscall.Signal) {
	var names []project.Text
	roots := []project.Text{}
	dirs := []project.Dir{{Path: a.DataDir()}, {Path: a.Data("/acme"), Mode: "0700", Keep: true}}
	for _, cert := range a.certs {
		if len(cert.names) == 0 {
			return // an error has said why
		}
		names = append(names, litFlag("names", strings.Join(cert.names, ",")))
		roots = append(roots, flag("root", cert.root))
		main.Test.Inconclusive = append(main.Test.Inconclusive, "/acme/"+cert.names[0]+".pem")
	}
	if len(a.certs) == 0 {
		return
	}
	work := func(task string, more ...project.Text) project.Command {
		words := []project.Text{project.Self(), project.Lit("provision"), project.Lit("acme"), project.Lit(task), flag("dir", a.Data("/acme"))}
		return project.Command{Exec: append(append(words, names...), more...)}
	}
	init := a.Before(work("init"))
	init.Doing, init.Dirs = "making certificates until there are others", dirs
	id := a.ID + "-acme"
	get := a.process(id, project.Main, work("get"))
	for _, cert := range a.certs {
		get.Dirs = append(get.Dirs, project.Dir{Path: project.Join(cert.root, project.Lit(acmePath))})
	}
	more := append(roots, litFlag("server", a.String("acme", "server")), litFlag("email", a.String("acme", "email")), flag("pid", pid), flag("config", config),
		litFlag("signal", strconv.Itoa(int(signal))))
	if a.Has("acme", "caFile") {
		more = append(more, flag("ca", a.Lend(get, "authorities", a.Path("acme", "caFile"))))
	}
	get.Command = work("get", more...)
	get.Service, get.Doing, get.Packages = id, "getting certificates", nil
	// An authority answers only so many requests an hour.
	get.Restart = project.Restart{Policy: project.RestartOnFailure, Delay: new(project.Duration(10 * time.Minute)), Backoff: 2, DelayMax: new(project.Duration(6 * time.Hour))}
	a.project.Services[id] = &project.Service{
		ID: id, Type: "acme", Instance: a.Name + "-acme", Main: id, System: true, Description: "gets certificates for " + string(a.ID), Namespace: a.service.Namespace,
		Disabled: a.service.Disabled, Profiles: a.service.Profiles, Pos: a.service.Pos, DependsOn: map[project.ID]project.Dependency{a.ID: {Condition: project.Ready}},
		// Authorities of one's own give certificates for 12 hours, which are to be had anew after 8.
		Schedule: &project.Schedule{Interval: project.Duration(3 * time.Hour), AtStart: true, Pos: a.service.Pos},
	}
}
