package catalog

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxSeconds keeps a length of time below what a time.Duration can hold.
const maxSeconds = 1e9

// parsePause reads "5s", "1m30s", "250ms", "2h", "1d", and a bare number as
// seconds. Spaces between are fine: "1min 30s" is systemd's way.
func parsePause(text string) (time.Duration, error) {
	bad := fmt.Errorf("must be a length of time such as \"500ms\", \"5s\" or \"1m30s\", not %q", text)
	rest := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text)), " ", "")
	if n, err := strconv.ParseFloat(rest, 64); err == nil {
		if n < 0 || n > maxSeconds || math.IsNaN(n) {
			return 0, bad
		}
		return time.Duration(n * float64(time.Second)), nil
	}
	total := 0.0
	for rest != "" {
		end := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if end <= 0 {
			return 0, bad
		}
		n, err := strconv.ParseFloat(rest[:end], 64)
		if err != nil {
			return 0, bad
		}
		rest = rest[end:]
		unit := strings.IndexFunc(rest, func(r rune) bool { return r >= '0' && r <= '9' || r == '.' })
		if unit < 0 {
			unit = len(rest)
		}
		factor, ok := timeUnits[rest[:unit]]
		if !ok {
			return 0, bad
		}
		total += n * factor.Seconds()
		rest = rest[unit:]
	}
	if total > maxSeconds || text == "" {
		return 0, bad
	}
	return time.Duration(math.Round(total * float64(time.Second))), nil
}

var timeUnits = map[string]time.Duration{
	"us": time.Microsecond, "ms": time.Millisecond, "msec": time.Millisecond,
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
}

// parseBytes reads "512M", "8G", "8GiB", "1.5g", "1024"; the units are powers
// of 1024, as docker's and systemd's are.
func parseBytes(text string) (int64, error) {
	low := strings.ToLower(strings.TrimSpace(text))
	low = strings.TrimSuffix(strings.TrimSuffix(low, "b"), "i")
	factor := 1.0
	if low != "" {
		if at := strings.IndexByte("kmgt", low[len(low)-1]); at >= 0 {
			factor = math.Pow(1024, float64(at+1))
			low = low[:len(low)-1]
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(low), 64)
	if err != nil || n <= 0 || n*factor >= math.MaxInt64 {
		return 0, fmt.Errorf("must be a number of bytes such as \"512M\" or \"8G\", not %q", text)
	}
	return int64(n * factor), nil
}
