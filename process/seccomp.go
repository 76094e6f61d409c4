package process

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reachNobody makes the kernel refuse this thread, and the programs that it executes, to
// connect to anybody or to send a datagram to an address: "network is unreachable". They
// may still listen. What sendmsg sends to can't be seen from here; resolvers connect. A
// program that runs afterwards gains no privileges by its file.
func reachNobody() error {
	arch := uint32(unix.AUDIT_ARCH_X86_64)
	if runtime.GOARCH == "arm64" {
		arch = unix.AUDIT_ARCH_AARCH64
	}
	// Offsets are those of struct seccomp_data: the call's number, the architecture, and
	// from 16 on the arguments, 8 bytes each, of which a pointer's halves are compared.
	const number, architecture, address = 0, 4, 16 + 4*8
	const load, equal, answer = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	filter := []unix.SockFilter{
		{Code: load, K: architecture},
		{Code: equal, K: arch, Jf: 8}, // else: allow
		{Code: load, K: number},
		{Code: equal, K: unix.SYS_CONNECT, Jt: 5}, // refuse
		{Code: equal, K: unix.SYS_SENDTO, Jf: 5},  // else: allow
		{Code: load, K: address},
		{Code: equal, K: 0, Jf: 2}, // refuse
		{Code: load, K: address + 4},
		{Code: equal, K: 0, Jt: 1}, // allow
		{Code: answer, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENETUNREACH)},
		{Code: answer, K: unix.SECCOMP_RET_ALLOW},
	}
	return filterCalls(filter)
}

// filterCalls puts a filter on the system calls of this thread and of the programs that it
// executes. Nothing takes it off again.
func filterCalls(filter []unix.SockFilter) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return errno
	}
	return nil
}
