package project

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseTyped returns the bytes that a text with escapes stands for, as somebody would type
// them: \xHH, \r, \n, \t, \e, \0, \\, \a, \b, \f and \v. The rest stands for itself.
func ParseTyped(text string) ([]byte, error) {
	var out []byte
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			out = append(out, text[i])
			continue
		}
		if i++; i == len(text) {
			return nil, fmt.Errorf("must not end with one \\: write \\\\ for one")
		}
		if n := strings.IndexByte(`rnte0\abfv`, text[i]); n >= 0 {
			out = append(out, "\r\n\t\x1b\x00\\\a\b\f\v"[n])
			continue
		}
		if text[i] != 'x' {
			return nil, fmt.Errorf(`must have one of \xHH \r \n \t \e \0 \\ \a \b \f \v, not %q`, text[i-1:i+1])
		}
		n, err := strconv.ParseUint(text[i+1:min(i+3, len(text))], 16, 8)
		if err != nil || i+3 > len(text) {
			return nil, fmt.Errorf("must have two hexadecimal digits after \\x, as in \\x03, not %q", text[i-1:min(i+3, len(text))])
		}
		out = append(out, byte(n))
		i += 2
	}
	return out, nil
}

// checkShutdownKeys reports what is wrong with keys that are typed to stop a process.
func (e *Errors) checkShutdownKeys(s *Service, who string, q *Process) {
	at := s.OptionPos("send_keys")
	if _, err := ParseTyped(q.Shutdown.Keys); err != nil {
		e.add(at, s.ID, `such as "q", or \x03 for Ctrl-C`, "shutdown.send_keys of %s %v", who, err)
	}
	if !q.TTY {
		e.add(at, s.ID, "set tty = true, in a process-compose.yaml is_tty: true", "shutdown.send_keys of %s needs a terminal, and it has none", who)
	}
	if q.Shutdown.Command != nil {
		e.add(at, s.ID, "remove one of them", "%s must not have both shutdown.command and shutdown.send_keys", who)
	}
}
