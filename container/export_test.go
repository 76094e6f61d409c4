package container

// ThreadVars are the variables that boot sets to what the container may use.
func ThreadVars() []string { return threadVars[:] }
