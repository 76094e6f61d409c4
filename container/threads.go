package container

import (
	"context"
	"math"
	"os"
	"strconv"
	"strings"
)

// threadVars are the variables that tell libraries how many threads to make. Without
// them, libraries make one for each core of the host.
var threadVars = [...]string{"GOMAXPROCS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_MAX_THREADS", "RAYON_NUM_THREADS"}

// threads sets the variables when the container may use less than the machine has. A
// variable that is set stays as it is.
func threads(_ context.Context, m *Machine) error {
	most := threadLimit(m.CPUs, m.cpuQuota(), m.pidsLimit())
	m.Log.Info("looked for limits", "cpus", m.CPUs, "threads", most)
	if most == 0 {
		return nil
	}
	for _, name := range threadVars {
		if _, set := m.lookupEnv(name); !set {
			m.setenv(name, strconv.Itoa(most))
		}
	}
	return nil
}

// threadsPerPid bounds what one library takes of the processes that a container may
// have: one in so many. Several libraries do that, and services need processes too.
const threadsPerPid = 16

// threadLimit returns how many threads a library should make; 0 if it need not be
// told. quota is in CPUs. A quota, or pids, of 0 or less is no limit.
func threadLimit(cpus int, quota float64, pids int) int {
	most := cpus
	if quota > 0 {
		most = min(most, max(1, int(math.Ceil(quota))))
	}
	if pids > 0 {
		most = min(most, max(1, pids/threadsPerPid))
	}
	if most >= cpus {
		return 0
	}
	return most
}

// cpuQuota returns how many CPUs the container may use, by its control group; 0 if
// there is no limit.
func (m *Machine) cpuQuota() float64 {
	if f := strings.Fields(m.cgroupFile("cpu.max", "cpu/cpu.max")); len(f) == 2 { // v2: "max 100000"
		return ratio(f[0], f[1])
	}
	for _, dir := range []string{"cpu/", "cpu,cpuacct/"} {
		quota := strings.TrimSpace(m.cgroupFile(dir + "cpu.cfs_quota_us"))
		period := strings.TrimSpace(m.cgroupFile(dir + "cpu.cfs_period_us"))
		if r := ratio(quota, period); r > 0 {
			return r
		}
	}
	return 0
}

func ratio(quota, period string) float64 {
	q, errQ := strconv.ParseFloat(quota, 64) // "max" does not parse
	p, errP := strconv.ParseFloat(period, 64)
	if errQ != nil || errP != nil || q <= 0 || p <= 0 {
		return 0
	}
	return q / p
}

// pidsLimit returns how many processes and threads the container may have; 0 if there
// is no limit.
func (m *Machine) pidsLimit() int {
	n, err := strconv.Atoi(strings.TrimSpace(m.cgroupFile("pids.max", "pids/pids.max")))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// cgroupFile reads the first of the files that exists. Engines mount the container's
// own group as the root of the tree.
func (m *Machine) cgroupFile(names ...string) string {
	for _, name := range names {
		if data, err := os.ReadFile(m.path("/sys/fs/cgroup/" + name)); err == nil {
			return string(data)
		}
	}
	return ""
}
