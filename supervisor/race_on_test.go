//go:build race

package supervisor

const simulated = 100_000 // events; nothing here runs beside anything else
