//go:build !race

package supervisor

const simulated = 1_000_000 // events
