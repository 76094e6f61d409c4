package cron

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// A Schedule is a cron expression. Make it with [Parse].
type Schedule struct {
	minute, hour, day, month, weekday set
	// Which fields take any value: of day and weekday one that does is not asked
	// while the other is; an hour that does is no time of day.
	anyHour, anyDay, anyWeekday bool
}

// A set has a bit for each value of a field.
type set uint64

func (s set) has(n int) bool { return s&(1<<n) != 0 }

// An Error says why an expression is no schedule.
type Error struct {
	Text string // the expression
	Msg  string
	Hint string // the cure, where there is one
}

func (e *Error) Error() string { return fmt.Sprintf("%q: %s", e.Text, e.Msg) }

// A field is one of the five.
type field struct {
	name     string
	min, max int
	words    []string // for the values from min on
}

func fields() [5]field {
	return [5]field{
		{"minute", 0, 59, nil},
		{"hour", 0, 23, nil},
		{"day of the month", 1, 31, nil},
		{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
		{"day of the week", 0, 7, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
	}
}

// shorthand is an expression that a word stands for; "" if it is none.
func shorthand(word string) string {
	switch word {
	case "@yearly", "@annually":
		return "0 0 1 1 *"
	case "@monthly":
		return "0 0 1 * *"
	case "@weekly":
		return "0 0 * * 0"
	case "@daily", "@midnight":
		return "0 0 * * *"
	case "@hourly":
		return "0 * * * *"
	}
	return ""
}

// maxText bounds the length of an expression.
const maxText = 1000

// Parse reads five fields (minute, hour, day of the month, month, day of the week) or a
// word such as "@daily". A field is "*", or a list of values and ranges, each with an
// optional step after "/". Months and days of the week have names, too, and 7 is Sunday
// as 0 is. If both the day of the month and the day of the week are given, either is
// enough. The error is an [*Error].
func Parse(text string) (*Schedule, error) {
	bad := &Error{Text: text}
	if len(text) > maxText {
		bad.Text, bad.Msg = text[:20]+"…", fmt.Sprintf("is longer than %d characters", maxText)
		return nil, bad
	}
	expression := strings.TrimSpace(text)
	if strings.HasPrefix(expression, "@") {
		if expression = shorthand(strings.ToLower(expression)); expression == "" {
			bad.Msg, bad.Hint = aboutWord(strings.TrimSpace(text))
			return nil, bad
		}
	}
	words := strings.Fields(expression)
	if len(words) > 0 && strings.Contains(words[0], "TZ=") {
		bad.Msg, bad.Hint = "must not name a time zone", "set timezone"
		return nil, bad
	}
	if len(words) != 5 {
		bad.Msg = fmt.Sprintf("must have 5 fields (minute, hour, day of the month, month, day of the week), not %d", len(words))
		if bad.Hint = `such as "30 4 * * *", each day at 4:30`; len(words) == 6 {
			bad.Hint = "seconds are not supported; for less than a minute set interval"
		}
		return nil, bad
	}
	var s Schedule
	into := [5]*set{&s.minute, &s.hour, &s.day, &s.month, &s.weekday}
	stars := [5]*bool{new(bool), new(bool), &s.anyDay, new(bool), &s.anyWeekday}
	for i, f := range fields() {
		if bad.Msg, bad.Hint = f.parse(words[i], into[i], stars[i]); bad.Msg != "" {
			return nil, bad
		}
	}
	s.anyHour = strings.HasPrefix(words[1], "*")
	if s.weekday.has(7) {
		s.weekday = s.weekday&^(1<<7) | 1
	}
	if s.Next(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		bad.Msg, bad.Hint = "never comes: no such month has that day", "correct the day of the month or the month"
		return nil, bad
	}
	return &s, nil
}

// aboutWord says what is wrong with a word.
func aboutWord(word string) (msg, hint string) {
	switch name, rest, _ := strings.Cut(strings.ToLower(word), " "); name {
	case "@every":
		return "must not be @every", fmt.Sprintf("set interval = %q instead of cron", strings.TrimSpace(rest))
	case "@reboot":
		return "must not be @reboot", "set run_on_start = true"
	}
	return "must be one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually, or have 5 fields", ""
}

// parse adds the values of a field's text. The message says why it can't.
func (f *field) parse(text string, into *set, star *bool) (msg, hint string) {
	for part := range strings.SplitSeq(text, ",") {
		whole, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			n, err := strconv.Atoi(stepText)
			if err != nil || n < 1 || n > f.max {
				return fmt.Sprintf("%s: a step must be from 1 to %d, not %q", f.name, f.max, stepText), ""
			}
			step = n
		}
		low, high := f.min, f.max
		if f.max == 7 {
			high = 6 // Sunday is there already
		}
		if whole == "*" || whole == "?" && (f.max == 31 || f.max == 7) {
			*star = *star || step == 1
		} else {
			from, to, ranged := strings.Cut(whole, "-")
			if low, msg, hint = f.value(from); msg != "" {
				return msg, hint
			}
			switch {
			case ranged:
				if high, msg, hint = f.value(to); msg != "" {
					return msg, hint
				}
				if f.max == 7 && high == 0 && low > 0 {
					high = 7 // a week that ends with Sunday
				}
			case !stepped:
				high = low
			}
			if low > high {
				return fmt.Sprintf("%s: the range %q ends before it begins", f.name, whole),
					fmt.Sprintf(`write "%s-%d,%d-%s"`, from, f.max, f.min, to)
			}
		}
		for n := low; n <= high; n += step {
			*into |= 1 << n
		}
	}
	return "", ""
}

// value reads a number or a name.
func (f *field) value(text string) (n int, msg, hint string) {
	for i, word := range f.words {
		if strings.EqualFold(text, word) {
			return f.min + i, "", ""
		}
	}
	n, err := strconv.Atoi(text)
	digits := strings.Trim(text, "0123456789") == ""
	switch {
	case text == "":
		return 0, fmt.Sprintf("%s: a value is missing", f.name), ""
	case digits && (err != nil || n < f.min || n > f.max):
		return 0, fmt.Sprintf("%s must be from %d to %d, not %s", f.name, f.min, f.max, text), ""
	case digits:
		return n, "", ""
	case strings.ContainsAny(text, "LW#lw") && len(f.words) == 0 || strings.Contains(text, "#"):
		return 0, fmt.Sprintf("%s: not supported: L, W and #, as in %q", f.name, text), ""
	case f.words != nil:
		return 0, fmt.Sprintf("%s must be a number from %d to %d or a name such as %q, not %q", f.name, f.min, f.max, strings.ToUpper(f.words[1]), text), ""
	}
	return 0, fmt.Sprintf("%s must be a number from %d to %d, not %q", f.name, f.min, f.max, text), ""
}

// TimesOfDay reports whether the schedule names hours: it is about times of day then,
// and not about the time between two runs.
func (s *Schedule) TimesOfDay() bool { return !s.anyHour }

// farthest is how far ahead a moment can be: from one 29 February to the next, over a
// year such as 2100 that has none.
const farthest = 8*366*24*time.Hour + 48*time.Hour

// Next returns the first moment of the schedule after another one, in that one's time
// zone. It is zero if there is none.
//
// Where clocks are turned forward, a time of day that is skipped comes once, at the
// turn. Where they are turned back, a time of day that occurs twice comes the first time
// only. A schedule whose hours are "*", with or without a step, names no times of day:
// it follows the clock as it is, so that "*/20 * * * *" comes every twenty minutes.
func (s *Schedule) Next(after time.Time) time.Time {
	loc, earliest := after.Location(), after.Unix()+1
	limit := after.Add(farthest).Unix()
	for at := earliest; at < limit; {
		// Between two changes of its clock, a zone is a constant offset.
		start, end := time.Unix(at, 0).In(loc).ZoneBounds()
		_, offset := time.Unix(at, 0).In(loc).Zone()
		from, until := at, limit
		if !end.IsZero() {
			until = min(limit, end.Unix())
		}
		if !start.IsZero() && !s.anyHour {
			_, before := start.Add(-time.Second).Zone()
			turned := int64(offset - before)
			switch began := start.Unix(); {
			case turned > 0 && at <= began:
				if _, ok := s.search(began+int64(before), began+int64(offset)); ok {
					return start
				}
			case turned < 0:
				from = max(from, began-turned) // all before that has been
			}
		}
		if local, ok := s.search(from+int64(offset), until+int64(offset)); ok {
			return time.Unix(local-int64(offset), 0).In(loc)
		}
		at = until
	}
	return time.Time{}
}

// search returns the first minute that matches in [from, until). Both are seconds of a
// clock that is never turned.
func (s *Schedule) search(from, until int64) (int64, bool) {
	t := time.Unix(from, 0).UTC()
	if past := t.Second(); past > 0 {
		t = t.Add(time.Duration(60-past) * time.Second)
	}
	for t.Unix() < until {
		switch {
		case !s.month.has(int(t.Month())):
			t = time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		case !s.onDay(t):
			t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, time.UTC)
		case !s.hour.has(t.Hour()):
			t = t.Truncate(time.Hour).Add(time.Hour)
		default:
			rest := uint64(s.minute) >> t.Minute()
			if rest != 0 {
				t = t.Add(time.Duration(bits.TrailingZeros64(rest)) * time.Minute)
				return t.Unix(), t.Unix() < until
			}
			t = t.Truncate(time.Hour).Add(time.Hour)
		}
	}
	return 0, false
}

func (s *Schedule) onDay(t time.Time) bool {
	day, weekday := s.day.has(t.Day()), s.weekday.has(int(t.Weekday()))
	if s.anyDay || s.anyWeekday {
		return day && weekday
	}
	return day || weekday
}
