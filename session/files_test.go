package session

import (
	"strings"
	"testing"
)

func TestShortOfFiles(t *testing.T) {
	for _, c := range []struct {
		need, limit, services int
		msg, hint             string
	}{
		{3, 1 << 30, 1, "", ""},
		{3000, 4096, 1000, "", ""},
		{1024 - 32 - 192, 1024, 300, "", ""},
		{1025 - 32 - 192, 1024, 300, "300 services need about 1025 open files in the supervisor when all of them run, and 1024 are allowed here", "ulimit -n 2048"},
		{3000, 1024, 1000, "1000 services need about 3224 open files", "--ulimit nofile=4096"},
		{3, 40, 1, "the service needs about 45 open files", "LimitNOFILE=1024"},
	} {
		got := shortOfFiles(c.need, c.limit, c.services)
		if (len(got) > 0) != (c.msg != "") {
			t.Errorf("%+v: %v", c, got)
			continue
		}
		for _, s := range got {
			if !strings.Contains(s.Msg, c.msg) || !strings.Contains(s.Hint, c.hint) {
				t.Errorf("%+v: %q, %q", c, s.Msg, s.Hint)
			}
		}
	}
}
