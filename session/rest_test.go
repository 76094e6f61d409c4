package session

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// resident is a part of the memory of this process, in KiB.
func resident(t *testing.T, field string) int {
	t.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(data), field+":")
	words := strings.Fields(rest)
	if !ok || len(words) == 0 {
		t.Fatalf("the kernel does not tell of %s", field)
	}
	n, err := strconv.Atoi(words[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// touch makes the process use memory for a moment.
func touch() int {
	block := make([]byte, 64<<20)
	for i := 0; i < len(block); i += 4096 {
		block[i] = byte(i)
	}
	sum := 0
	for _, b := range block {
		sum += int(b)
	}
	return sum
}

// What is not needed any more goes, of the heap and of the program's file, and the
// program goes on.
func TestGiveBack(t *testing.T) {
	runtime.KeepAlive(touch())
	heap, file := resident(t, "RssAnon"), resident(t, "RssFile")
	giveBack()
	if now := resident(t, "RssAnon"); heap-now < 32<<10 {
		t.Errorf("of %d KiB of the heap %d are left, after 64 MiB of it were in use", heap, now)
	}
	if now := resident(t, "RssFile"); now >= file {
		t.Errorf("of %d KiB of the program %d are mapped, want fewer", file, now)
	}
	if touch() < 0 {
		t.Error("it does not compute any more")
	}
}
