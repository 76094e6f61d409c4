package compose

import (
	"bytes"
	"strings"
)

// process-compose expands ${NAME} before it parses a file, so that `{ port: ${PORT} }` is
// right there. Here values are expanded after parsing. So that they can be parsed, each sign
// of YAML between the braces of a variable is one of Unicode's private characters until then,
// which keeps every position as it is.
const (
	yamlSigns   = "{}[],:#"
	privateSign = 0xE000
)

// veil replaces the signs of YAML in the variables of a text. A text that has such private
// characters itself stays as it is.
func veil(text []byte) (out []byte, veiled bool) {
	if !bytes.Contains(text, []byte("${")) || bytes.ContainsFunc(text, isPrivate) {
		return text, false
	}
	for line := range bytes.Lines(text) {
		for {
			at := bytes.Index(line, []byte("${"))
			end := -1
			if at >= 0 {
				end = closing(line[at+1:])
			}
			if end < 0 {
				break
			}
			end += at + 2
			out = append(out, line[:at]...)
			for _, c := range line[at:end] {
				if strings.IndexByte(yamlSigns, c) >= 0 {
					out = append(out, string(rune(privateSign+int(c)))...)
				} else {
					out = append(out, c)
				}
			}
			line = line[end:]
		}
		out = append(out, line...)
	}
	return out, true
}

func isPrivate(r rune) bool {
	return r >= privateSign && r < privateSign+0x80 && strings.ContainsRune(yamlSigns, r-privateSign)
}

// unveil is the text that was veiled.
func unveil(s string) string {
	return strings.Map(func(r rune) rune {
		if isPrivate(r) {
			return r - privateSign
		}
		return r
	}, s)
}
