package stage

import (
	"strings"
	"sync"
)

// plainWords splits a shell line into words, if the shell would do nothing but execute
// them: there are only plain or quoted words, and the first is not the shell's own.
func plainWords(line string) ([]string, bool) {
	var words []string
	var word strings.Builder
	inWord, quoted := false, false
	line = strings.Trim(line, " \t\n") // to the shell, other white space is none
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == ' ' || c == '\t':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		case c == '\\' && i+1 < len(line) && line[i+1] == '\n':
			i++ // a continued line: both characters vanish
		case c == '\'' || c == '"':
			end := strings.IndexByte(line[i+1:], c)
			if end < 0 {
				return nil, false
			}
			inner := line[i+1 : i+1+end]
			if c == '"' && strings.ContainsAny(inner, "$`\\!") {
				return nil, false
			}
			if len(words) == 0 {
				quoted = true
			}
			word.WriteString(inner)
			inWord = true
			i += end + 1
		case c < 0x80 && special(rune(c)):
			return nil, false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	switch {
	case len(words) == 0 || words[0] == "":
		return nil, false
	case strings.Contains(words[0], "="), !quoted && shellWords()[words[0]]:
		return nil, false // an assignment; a keyword or builtin
	case quoted && shellWords()[words[0]]:
		return nil, false // quotes do not hide a builtin
	}
	return words, true
}

// shellWords returns the words that bash and sh do not look for as programs. Some of
// them are programs, too, but those differ in details: echo, printf, kill, test.
var shellWords = sync.OnceValue(func() map[string]bool {
	return set(`! . : [ [[ ]] { } alias bg bind break builtin caller case cd
	command compgen complete compopt continue coproc declare dirs disown do done
	echo elif else enable esac eval exec exit export false fc fg fi for function
	getopts hash help history if in jobs kill let local logout mapfile popd printf
	pushd pwd read readarray readonly return select set shift shopt source suspend
	test then time times trap true type typeset ulimit umask unalias unset until
	wait while`)
})

func set(words string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(words) {
		out[w] = true
	}
	return out
}
