package guest_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"nix2gpu/internal/guest"
)

// timed is a definition of services that have to do with time in each way that there is.
const timed = `{ perSystem.nix2gpu.box = { workingDir = "/var/work"; services.custom = {
  steady = { enable = true; command = "exec sleep 100000"; readiness_probe = { exec.command = "true"; period_seconds = 1; timeout_seconds = 100; };
    liveness_probe = { exec.command = "true"; period_seconds = 1; timeout_seconds = 100; }; };
  ticker = { enable = true; command = "exec /opt/ticker"; };
  fails = { enable = true; restart = "always"; restart_delay = "2s"; restart_delay_max = "2s"; command = "echo once more; exit 1"; };
  patient = { enable = true; restart = "on_failure"; restart_delay = "1h"; command = "echo only once; exit 1"; };
  nightly = { enable = true; restart = "no"; schedule.cron = "0 3 * * *"; command = "echo a run"; };
  hourly = { enable = true; restart = "no"; schedule.interval = "1h"; command = "echo a run"; };
  deaf = { enable = true; command = "exec /opt/deaf"; shutdown.timeout_seconds = 2; };
  judge = { enable = true; restart = "no"; command = "/opt/judge"; depends_on = { steady = "ready"; deaf = "started"; }; };
}; }; }`

var timedFiles = map[string]string{
	"/opt/ticker": "#!/bin/bash\nfor ((i = 1; ; i++)); do echo $i; sleep 0.2; done\n",
	// Its grace is over 2 seconds after this, whatever the clock says.
	"/opt/deaf": "#!/bin/bash\ntrap 'date -s \"1 day ago\"' TERM\nwhile :; do sleep 0.2; done\n",
	"/opt/judge": `#!/bin/bash
count() { /nix2gpu logs "$1" | grep -c "$2"; }
told() { grep -rqs --include=supervisor.log "service=$1.*$2" /var; }
# clock sets it to $1, and waits until what is timed has gone on and $2 was told.
clock() {
  local ticks=$(count ticker .) starts=$(count fails once)
  date -s "$1"
  until [ $(count ticker .) -gt $((ticks + 5)) ]; do sleep 0.2; done
  until [ $(count fails once) -gt $((starts + 2)) ]; do sleep 0.2; done
  for service in nightly hourly; do
    until told $service "$2"; do sleep 0.5; done
  done
}
until [ $(count patient once) = 1 ]; do sleep 0.2; done
clock "2030-01-06 03:30" "its clock was set"
until [ $(count nightly run) = 1 ] && [ $(count hourly run) = 1 ]; do sleep 0.2; done
clock "2030-01-04 12:00" "the clock was set back"
echo "nightly ran $(count nightly run) times, hourly $(count hourly run), patient $(count patient once)"
/nix2gpu ps steady
# What was printed by any clock is there, in order.
/nix2gpu logs ticker | cut -d' ' -f2 >/tmp/ticks
seq $(wc -l </tmp/ticks) | cmp - /tmp/ticks && echo "ticks in order"
kill -TERM 1
exec sleep 1000
`,
}

// TestClockIsSet sets the clock of a machine by a day and more, forward, back, and during the
// stop: what runs, waits or is planned by the machine's time goes on as if nothing had
// happened, and what goes by the clock runs once, and says why.
func TestClockIsSet(t *testing.T) {
	files := map[string]string{"/etc/nix2gpu/project.json": project(t, timed)}
	for name, text := range timedFiles {
		files[name] = text
	}
	run := guest.Start(t, guest.Options{Files: files, Init: guest.Boot(), Setup: `date -s "2030-01-05 02:00"`})
	if code := run.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	out := guest.Console(run)
	for _, want := range []string{
		"[nix2gpu] nightly: the run of Sat 5 Jan 03:00 UTC comes 24 h late; 1 more run missed: the machine was suspended, or its clock was set\n",
		"[nix2gpu] nightly: the clock was set back by 39 h; next run Sat 5 Jan 03:00 UTC\n",
		"[judge] nightly ran 1 times, hourly 1, patient 1\n", "[judge] ticks in order\n",
		"[nix2gpu] deaf: killed, still running 2", "[nix2gpu] all services stopped\n", "powering off (exit code 0)\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, never := range []string{"steady: restarting", "steady: not ready", "a disk does not answer"} {
		if strings.Contains(out, never) {
			t.Errorf("it says %q", never)
		}
	}
	// Its age is what has passed, and not what the clock was set by.
	if age := regexp.MustCompile(`\[judge\] steady +running +healthy +0 +[0-9]+ +([0-9]+m)?[0-9]+s\s`); !age.MatchString(out) {
		t.Error("ps tells no age of steady below an hour")
	}
	t.Attr("R6", fmt.Sprintf("a machine's clock set forward by 25 hours, back by 39, and by a day during the stop: no restart, %d runs of schedules", strings.Count(out, "] a run\n")))
}
