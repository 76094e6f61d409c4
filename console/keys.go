package console

import (
	"bytes"
	"fmt"
	"strings"
)

// Keys finds the keys that detach in what is typed. Until all of them were typed, none
// is passed on; what turns out to be something else is.
type Keys struct {
	keys []byte
	held int
}

// ParseKeys reads keys as docker's --detach-keys has them: "ctrl-p,ctrl-q", "x", or
// "" for none.
func ParseKeys(text string) (*Keys, error) {
	k := &Keys{}
	if text == "" {
		return k, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		name, control := strings.CutPrefix(strings.ToLower(word), "ctrl-")
		switch {
		case control && len(name) == 1 && strings.Contains("abcdefghijklmnopqrstuvwxyz@[\\]^_", name):
			k.keys = append(k.keys, strings.ToUpper(name)[0]&0x1f)
		case !control && len(word) == 1 && word[0] > ' ' && word[0] < 0x7f:
			k.keys = append(k.keys, word[0])
		default:
			return nil, fmt.Errorf("must be keys such as \"ctrl-p,ctrl-q\", each a character or ctrl- and one of a-z @ [ \\ ] ^ _, not %q", text)
		}
	}
	return k, nil
}

// Take returns what of the text is to be passed on, and whether the keys were typed. What
// follows them is dropped.
func (k *Keys) Take(text []byte) (pass []byte, detach bool) {
	if len(k.keys) == 0 {
		return text, false
	}
	for _, b := range text {
		if b == k.keys[k.held] {
			if k.held++; k.held == len(k.keys) {
				k.held = 0
				return pass, true
			}
			continue
		}
		// The longest end of what was held that begins the keys is still held.
		typed := append(bytes.Clone(k.keys[:k.held]), b)
		k.held = 0
		for n := min(len(typed), len(k.keys)-1); n > 0; n-- {
			if bytes.Equal(typed[len(typed)-n:], k.keys[:n]) {
				k.held = n
				break
			}
		}
		pass = append(pass, typed[:len(typed)-k.held]...)
	}
	return pass, false
}
