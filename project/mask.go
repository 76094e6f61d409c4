package project

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
)

// Mask is shown in place of a secret.
const Mask = "********"

// Masked returns a copy of p that may be shown to anyone: values that are
// secret by flag or by name are replaced, and so are passwords inside URLs,
// wherever they stand.
func (p *Project) Masked() *Project {
	data, err := marshal(p)
	if err != nil {
		return &Project{Version: Version, Name: p.Name} // better nothing than a secret
	}
	q, err := Decode(bytes.NewReader(data))
	if err != nil {
		return &Project{Version: Version, Name: p.Name}
	}
	q.EachText(func(_ Owner, t *Text) { maskText(*t) })
	maskEnv(q.Container.Env)
	for _, c := range q.Container.EnvCommands {
		maskFlags(&c.Command)
	}
	for _, proc := range q.Processes {
		maskEnv(proc.Env)
		for _, c := range proc.commands() {
			maskFlags(c)
		}
		for _, probe := range proc.Probes() {
			if probe.HTTP != nil {
				maskHeaders(probe.HTTP.Headers)
			}
		}
	}
	return q
}

// Shown returns the value of a variable of that name as anyone may read it.
func (v Value) Shown(name string) string {
	if v.hidden(name) {
		return Mask
	}
	return MaskString(v.Text.String())
}

// hidden reports whether the whole value must be masked. An empty value is no secret.
func (v Value) hidden(name string) bool {
	return (v.Secret || SecretName(name)) && !v.Text.IsEmpty()
}

// SecretName reports whether a variable of that name is likely to hold a
// secret: API_KEY, POSTGRES_PASSWORD, HF_TOKEN; but not TOKENIZERS_PARALLELISM,
// and not POSTGRES_PASSWORD_FILE, which names a place.
func SecretName(name string) bool {
	words := strings.FieldsFunc(strings.ToUpper(name), func(r rune) bool { return r == '_' || r == '-' || r == '.' })
	if len(words) == 0 {
		return false
	}
	switch words[len(words)-1] {
	case "FILE", "PATH", "DIR":
		return false
	}
	for _, w := range words {
		switch w {
		case "PASS", "PW", "KEY", "KEYS", "TOKENS", "CREDS", "AUTH", "PAT":
			return true
		}
		for _, part := range []string{"PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "CREDENTIAL", "APIKEY", "AUTHKEY", "PRIVATEKEY", "ACCESSKEY"} {
			if strings.Contains(w, part) {
				return true
			}
		}
		if strings.HasSuffix(w, "TOKEN") {
			return true
		}
	}
	return false
}

// urlPassword finds the password of "scheme://user:password@host".
var urlPassword = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^/\s:@"']*):([^/\s"']+)@`)
})

// tailscaleKey finds a key of tailscale, which its prefix gives away.
var tailscaleKey = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`tskey-[A-Za-z0-9-]{4,}`)
})

// assignment finds "name=value" and "name: value".
var assignment = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`([A-Za-z][A-Za-z0-9_.-]*)("?[ \t]*[=:][ \t]*)("[^"\n]*"|'[^'\n]*'|[^\s"',;&|()]+)`)
})

// MaskString masks the passwords of URLs in s, keys of tailscale, and what is assigned
// to a name whose last word stands for a secret: "--api-token=x", "password: x". A
// reference ($X) or a path is no secret.
func MaskString(s string) string {
	if strings.Contains(s, "://") {
		s = urlPassword().ReplaceAllString(s, "${1}:"+Mask+"@")
	}
	if strings.Contains(s, "tskey-") {
		s = tailscaleKey().ReplaceAllString(s, Mask)
	}
	if !strings.ContainsAny(s, "=:") {
		return s
	}
	return assignment().ReplaceAllStringFunc(s, func(found string) string {
		m := assignment().FindStringSubmatch(found)
		if value := strings.Trim(m[3], `"'`); !namesSecret(m[1]) || value == "" || strings.ContainsAny(value[:1], "$/.<") {
			return found
		}
		quote := ""
		if c := m[3][0]; c == '"' || c == '\'' {
			quote = string(c)
		}
		return m[1] + m[2] + quote + Mask + quote
	})
}

// namesSecret reports whether the last word of a name stands for a secret. It is
// stricter than SecretName, for texts that are no environment: password_encryption and
// auth are settings there.
func namesSecret(name string) bool {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '_' || r == '-' || r == '.' })
	if len(words) == 0 {
		return false
	}
	last := words[len(words)-1]
	if last == "key" && len(words) > 1 {
		last = words[len(words)-2] + last
	}
	for _, end := range []string{"password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey", "secretkey", "privatekey"} {
		if strings.HasSuffix(last, end) {
			return true
		}
	}
	return false
}

// maskEnv masks the variables that are secret as a whole.
func maskEnv(env map[string]Value) {
	for name, v := range env {
		if v.hidden(name) {
			env[name] = Value{Text: Lit(Mask), Secret: true}
		}
	}
}

func maskHeaders(headers map[string]string) {
	for name, value := range headers {
		if SecretName(name) || strings.EqualFold(name, "authorization") || strings.EqualFold(name, "cookie") {
			value = Mask
		}
		headers[name] = MaskString(value)
	}
}

// flagAndWord finds "--flag word" in a shell command.
var flagAndWord = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(^|[ \t])(--?[A-Za-z][A-Za-z0-9_.-]*)([ \t]+)("[^"$\n]+"|'[^'\n]+'|[^\s"'$/.<;&|()-][^\s"';&|()]*)`)
})

// maskLine masks the words after flags such as "--password" in a shell command.
func maskLine(s string) string {
	return flagAndWord().ReplaceAllStringFunc(s, func(found string) string {
		m := flagAndWord().FindStringSubmatch(found)
		if !namesSecret(strings.TrimLeft(m[2], "-")) {
			return found
		}
		return m[1] + m[2] + m[3] + Mask
	})
}

// maskFlags masks the words after flags such as "--password" in a command.
func maskFlags(c *Command) {
	for i := range c.Shell {
		c.Shell[i].Literal = maskLine(c.Shell[i].Literal)
	}
	for i := range c.Exec {
		if c.afterSecretFlag(i) {
			c.Exec[i] = Lit(Mask)
		}
	}
}

// afterSecretFlag reports whether argument i follows a flag such as "--password".
func (c *Command) afterSecretFlag(i int) bool {
	if i == 0 {
		return false
	}
	flag, ok := c.Exec[i-1].Literal()
	return ok && strings.HasPrefix(flag, "-") && namesSecret(strings.TrimLeft(flag, "-"))
}

func maskText(t Text) {
	for i := range t {
		t[i].Literal = MaskString(t[i].Literal)
	}
}
