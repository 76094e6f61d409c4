package deploy

// Rules is the table, for tests.
func Rules() map[ask]map[Platform]string {
	out := map[ask]map[Platform]string{}
	for a := askTCP; a <= askUnsupported; a++ {
		out[a] = rules()[a].how
	}
	return out
}
