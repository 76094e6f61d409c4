package cron_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // this machine may have none

	robfig "github.com/robfig/cron/v3"

	"nix2gpu/cron"
)

func parse(t testing.TB, text string) *cron.Schedule {
	t.Helper()
	s, err := cron.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// layout is what a moment is compared in; the wanted one may be a part of it.
const layout = "2006-01-02 15:04:05 MST"

// TestNext shows when schedules come, in zones whose clocks are turned.
func TestNext(t *testing.T) {
	for _, c := range []struct{ zone, text, after, want string }{
		{"UTC", "* * * * *", "2026-11-26 04:50:00", "04:51"},
		{"UTC", "* * * * *", "2026-11-26 04:50:59", "04:51"},
		{"UTC", "*/20 * * * *", "2026-11-26 04:50:00", "05:00, 05:20, 05:40, 06:00"},
		{"UTC", "5/20 * * * *", "2026-11-26 04:50:00", "05:05, 05:25, 05:45"},
		{"UTC", "30 4 * * *", "2026-11-26 04:30:00", "2026-11-27 04:30"},
		{"UTC", "@daily", "2026-12-31 04:30:00", "2027-01-01 00:00"},
		{"UTC", "0 0 1 * *", "2026-11-26 04:30:00", "2026-12-01 00:00, 2027-01-01 00:00"},
		{"UTC", "0 12 * * MON-fri", "2026-11-27 13:00:00", "2026-11-30 12:00"}, // a Friday
		{"UTC", "0 12 * * 7", "2026-11-27 13:00:00", "2026-11-29 12:00"},
		{"UTC", "0 12 * * sat-sun", "2026-11-27 13:00:00", "2026-11-28 12:00, 2026-11-29 12:00, 2026-12-05 12:00"},
		{"UTC", "0 0 13 * fri", "2026-11-26 00:00:00", "2026-11-27 00:00, 2026-12-04 00:00, 2026-12-11 00:00, 2026-12-13 00:00"},
		{"UTC", "0 0 29 feb ?", "2096-03-01 00:00:00", "2104-02-29 00:00"},
		{"UTC", "0 0 31 */2 *", "2026-11-26 04:30:00", "2027-01-31 00:00, 2027-03-31 00:00, 2027-05-31 00:00, 2027-07-31 00:00, 2028-01-31 00:00"},
		// Clocks are turned forward from 2:00 to 3:00: a time of day that is left out
		// comes at 3:00, once.
		{"Europe/Berlin", "30 2 * * *", "2026-03-28 02:30:00", "2026-03-29 03:00, 2026-03-30 02:30"},
		{"Europe/Berlin", "*/20 2 * * *", "2026-03-28 02:40:00", "2026-03-29 03:00, 2026-03-30 02:00"},
		{"Europe/Berlin", "0 2,3 * * *", "2026-03-28 12:00:00", "2026-03-29 03:00, 2026-03-30 02:00"},
		{"Europe/Berlin", "30 3 * * *", "2026-03-28 12:00:00", "2026-03-29 03:30"},
		{"Europe/Berlin", "30 * * * *", "2026-03-29 00:45:00", "2026-03-29 01:30, 2026-03-29 03:30, 2026-03-29 04:30"},
		{"Europe/Berlin", "*/30 */2 * * *", "2026-03-29 00:45:00", "2026-03-29 04:00"},
		// They are turned back from 3:00 to 2:00: it comes the first time, and a
		// schedule of each hour follows the clock.
		{"Europe/Berlin", "30 2 * * *", "2026-10-25 00:00:00", "2026-10-25 02:30:00 CEST, 2026-10-26 02:30"},
		{"Europe/Berlin", "0 3 * * *", "2026-10-25 00:00:00", "2026-10-25 03:00:00 CET, 2026-10-26 03:00"},
		{"Europe/Berlin", "30 * * * *", "2026-10-25 01:45:00", "2026-10-25 02:30:00 CEST, 2026-10-25 02:30:00 CET, 2026-10-25 03:30"},
		{"Europe/Berlin", "*/40 2 * * *", "2026-10-25 00:45:00", "2026-10-25 02:00:00 CEST, 2026-10-25 02:40:00 CEST, 2026-10-26 02:00"},
		// By half an hour.
		{"Australia/Lord_Howe", "15 2 * * *", "2026-10-03 12:00:00", "2026-10-04 02:30, 2026-10-05 02:15"},
		{"Australia/Lord_Howe", "45 1 * * *", "2026-04-05 00:00:00", "2026-04-05 01:45:00 +11, 2026-04-06 01:45"},
		// At midnight, and by a whole day.
		{"America/Santiago", "0 0 * * *", "2026-09-05 12:00:00", "2026-09-06 01:00, 2026-09-07 00:00"},
		{"Pacific/Apia", "0 12 * * *", "2011-12-29 13:00:00", "2011-12-31 00:00, 2011-12-31 12:00"},
	} {
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.ParseInLocation(time.DateTime, c.after, loc)
		if err != nil {
			t.Fatal(err)
		}
		s := parse(t, c.text)
		for _, want := range strings.Split(c.want, ", ") {
			at = s.Next(at)
			if got := at.Format(layout); !strings.Contains(got, want) {
				t.Errorf("%s in %s after %s: got %s, want %s", c.text, c.zone, c.after, got, want)
				break
			}
		}
	}
}

// TestSameAsRobfig compares with the library that Kubernetes and process-compose have,
// where clocks are not turned: there it leaves runs out.
func TestSameAsRobfig(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	kathmandu := time.FixedZone("+0545", 5*3600+45*60)
	compared := 0
	for range 4000 {
		text := randomText(r)
		theirs, err := robfig.ParseStandard(text)
		ours, ourErr := cron.Parse(text)
		at := time.Date(1990+r.IntN(100), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), 0, kathmandu)
		if (err != nil || theirs.Next(at).IsZero()) != (ourErr != nil) {
			t.Errorf("%s: ours %v, theirs %v", text, ourErr, err)
			continue
		}
		if err != nil || ourErr != nil {
			continue
		}
		for range 3 {
			want, got := theirs.Next(at), ours.Next(at)
			if want.IsZero() { // they look five years ahead
				break
			}
			if compared++; !got.Equal(want) {
				t.Fatalf("%s after %s: got %s, want %s", text, at, got, want)
			}
			at = want
		}
	}
	if compared < 5000 {
		t.Errorf("only %d moments were compared", compared)
	}
}

// randomText is an expression that means much the same to everybody.
func randomText(r *rand.Rand) string {
	value := func(low, high int) string { return fmt.Sprint(low + r.IntN(high-low+1)) }
	one := func(low, high int) string {
		switch r.IntN(5) {
		case 0:
			return "*"
		case 1:
			return "*/" + value(1, high)
		case 2:
			a, b := low+r.IntN(high-low+1), low+r.IntN(high-low+1)
			return fmt.Sprintf("%d-%d/%d", min(a, b), max(a, b), 1+r.IntN(4))
		case 3:
			return value(low, high) + "," + value(low, high)
		}
		return value(low, high)
	}
	if r.IntN(50) == 0 {
		return []string{"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"}[r.IntN(7)]
	}
	return strings.Join([]string{one(0, 59), one(0, 23), one(1, 31), one(1, 12), one(0, 6)}, " ")
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "must have 5 fields (minute, hour, day of the month, month, day of the week), not 0",
		"0 3 * *":                 "not 4",
		"0 0 3 * * *":             "not 6 (seconds are not supported; for less than a minute set interval)",
		"60 * * * *":              "minute must be from 0 to 59, not 60",
		"* 24 * * *":              "hour must be from 0 to 23, not 24",
		"* * 0 * *":               "day of the month must be from 1 to 31, not 0",
		"* * * 13 *":              "month must be from 1 to 12, not 13",
		"* * * * 8":               "day of the week must be from 0 to 7, not 8",
		"* * * * moon":            `day of the week must be a number from 0 to 7 or a name such as "MON", not "moon"`,
		"x * * * *":               `minute must be a number from 0 to 59, not "x"`,
		"-1 * * * *":              "minute: a value is missing",
		"1,,2 * * * *":            "minute: a value is missing",
		"*/0 * * * *":             `minute: a step must be from 1 to 59, not "0"`,
		"*/x * * * *":             `minute: a step must be from 1 to 59, not "x"`,
		"* 22-4 * * *":            `hour: the range "22-4" ends before it begins (write "22-23,0-4")`,
		"0 0 L * *":               `day of the month: not supported: L, W and #, as in "L"`,
		"0 0 * * 5#3":             `day of the week: not supported: L, W and #, as in "5#3"`,
		"0 0 30 2 *":              "never comes: no such month has that day (correct the day of the month or the month)",
		"0 0 31 4,6,9,11 *":       "never comes",
		"@every 10m":              `must not be @every (set interval = "10m" instead of cron)`,
		"@reboot":                 "must not be @reboot (set run_on_start = true)",
		"@noon":                   "must be one of @hourly,",
		"CRON_TZ=UTC 0 3 * * *":   "must not name a time zone (set timezone)",
		strings.Repeat("1,", 900): "is longer than 1000 characters",
	} {
		_, err := cron.Parse(text)
		var bad *cron.Error
		if !errors.As(err, &bad) {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got := bad.Msg
		if bad.Hint != "" {
			got += " (" + bad.Hint + ")"
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// FuzzParse: what is read comes, later than it was asked for, at a minute that the
// schedule names.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"* * * * *", "*/5 0-3 1,15 jan-mar mon", "0 0 29 2 *", "@weekly", "59 23 31 12 7", "1/2 ? ? * ?"} {
		f.Add(text, int64(1e9), uint8(0))
	}
	var zones []*time.Location
	for _, name := range []string{"UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Pacific/Apia", "Asia/Kathmandu"} {
		loc, err := time.LoadLocation(name)
		if err != nil {
			f.Fatal(err)
		}
		zones = append(zones, loc)
	}
	f.Fuzz(func(t *testing.T, text string, unix int64, zone uint8) {
		s, err := cron.Parse(text)
		if err != nil {
			return
		}
		at := time.Unix(unix%4e9, 0).In(zones[int(zone)%len(zones)])
		for range 5 {
			next := s.Next(at)
			if !next.After(at) {
				t.Fatalf("%q after %s: %s", text, at, next)
			}
			if between := s.Next(next.Add(-time.Second)); !between.Equal(next) {
				t.Fatalf("%q: %s is not the next after the second before it, but %s is", text, next, between)
			}
			at = next
		}
	})
}

func BenchmarkNext(b *testing.B) {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	s := parse(b, "0 0 29 2 *")
	at := time.Date(2028, 3, 1, 0, 0, 0, 0, loc)
	for b.Loop() {
		s.Next(at)
	}
}
