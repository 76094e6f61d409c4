// Package wheeltest makes wheels and indexes of Python packages for tests: right
// ones, and ones with damage. It holds what tests need, and nothing that ships.
package wheeltest
