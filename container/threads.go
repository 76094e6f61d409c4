package container

import (
	"context"
	"math"
	"os"
	"strconv"
	"strings"
)

// threadVars are the variables by which libraries are told how many threads to
// make. Without them they make one for each core of the host.
var threadVars = [...]string{"GOMAXPROCS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_MAX_THREADS", "RAYON_NUM_THREADS"}

// threads tells libraries what the container may use, where that is less than
// the machine has. What is set stays.
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

// threadsPerPid is how many of the processes that a container may have one
// library should take at most: several do, and services have others.
const threadsPerPid = 16

// threadLimit is how many threads a library should make; 0: it need not be told.
// The quota is in CPUs; 0 and less are no limit, of it and of pids.
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

// cpuQuota is how many CPUs the container may use; 0: as many as there are.
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
	q, errQ := strconv.ParseFloat(quota, 64) // "max" is none
	p, errP := strconv.ParseFloat(period, 64)
	if errQ != nil || errP != nil || q <= 0 || p <= 0 {
		return 0
	}
	return q / p
}

// pidsLimit is how many processes and threads the container may have; 0: no limit.
func (m *Machine) pidsLimit() int {
	n, err := strconv.Atoi(strings.TrimSpace(m.cgroupFile("pids.max", "pids/pids.max")))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// cgroupFile is the first of the files that is there: engines mount the
// container's own group as the root of the tree.
func (m *Machine) cgroupFile(names ...string) string {
	for _, name := range names {
		if data, err := os.ReadFile(m.path("/sys/fs/cgroup/" + name)); err == nil {
			return string(data)
		}
	}
	return ""
}
