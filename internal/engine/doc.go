// Package engine runs container engines for tests: Debian's dockerd, started
// once for a test binary, in a network, mount and process namespace of its
// own. Ports that tests publish never clash with anything, and whatever the
// engine runs ends with the test binary, even when that is killed.
//
// A test gets the engine from [Docker] and types the same commands as a user.
// TestMain ends it with [Stop]. [Engine.Plain] makes an image without an image
// builder, from what is installed on this machine.
//
// Only tests import it.
package engine
