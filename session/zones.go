package session

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"nix2gpu/project"
	"nix2gpu/spelling"
)

// zoneFolders are those in which package time looks for time zones.
func zoneFolders() []string {
	return []string{"/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/locale/TZ", "/etc/zoneinfo"}
}

// zones finds schedules whose time zone this machine does not know. One that is taken
// from TZ would silently be UTC.
func (c *check) zones() {
	own := ""
	for _, variable := range c.Environ {
		if value, ok := strings.CutPrefix(variable, "TZ="); ok {
			own = strings.TrimPrefix(value, ":")
		}
	}
	c.services(func(s *project.Service) {
		if s.Schedule == nil || s.Schedule.Cron == "" {
			return
		}
		name, of, pos := s.Schedule.Zone, "", s.OptionPos("timezone")
		if name == "" {
			name, of, pos = own, "TZ is: ", s.Schedule.Pos
		}
		if name == "" || path.IsAbs(name) {
			return
		}
		if _, err := time.LoadLocation(name); err == nil {
			return
		}
		names := zoneNames()
		cure := "install tzdata, which has the time zones"
		if len(names) > 0 {
			cure = `write it as the tz database does, such as "Europe/Berlin"`
		}
		if near := spelling.Nearest(name, names); near != "" {
			cure = fmt.Sprintf("did you mean %q?", near)
		}
		c.fail(ZoneUnknown, s, pos, cure, "%sno time zone %q on this machine", of, name)
	})
}

// zoneNames are the time zones that this machine knows, without those of other kinds
// of clocks.
func zoneNames() (names []string) {
	for _, dir := range zoneFolders() {
		_ = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return nil // what can't be read is not offered
			case d.IsDir() && slices.Contains([]string{"posix", "right"}, name):
				return fs.SkipDir
			case !d.IsDir() && path.Ext(name) == "" && strings.ToLower(name) != name:
				names = append(names, name)
			}
			return nil
		})
	}
	slices.Sort(names)
	return names
}
