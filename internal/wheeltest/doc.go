// Package wheeltest makes wheels and indexes of Python packages for tests, valid and
// damaged ones. Only tests import it.
package wheeltest
