// Package engine runs container engines for tests: Debian's dockerd, started
// once for a test binary, in a network, mount and process namespace of its
// own. Ports that tests publish never clash with anything, and whatever the
// engine runs ends with the test binary, even when that is killed.
//
// A test takes the engine by [Docker] and types the same commands as a user;
// TestMain ends it by [Stop]. [Engine.Plain] makes an image without any image
// builder, of what is installed on this machine.
//
// Only tests import it.
package engine
