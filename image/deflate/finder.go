package deflate

import "encoding/binary"

const (
	hashBits = 16
	// niceMatch is the length of a match that is good enough: the finder looks for no
	// longer one, and for none inside it.
	niceMatch = 80
	// maxDepth is the number of earlier strings that one is compared with.
	maxDepth = 24

	window = windowSize - 1 // a mask for positions
	never  = -windowSize    // a position out of reach for all others
)

// A match says that the next bytes occurred before, at a distance.
type match struct{ length, distance uint16 }

// A finder finds all matches at a position that can be of use: for each length the nearest
// one. There is a binary tree of strings for each hash of four bytes; the newest string is
// its root. For three bytes it only knows the last string with each hash.
type finder struct {
	base   int32 // the position of the first byte of the buffer
	head3  []int32
	head4  []int32
	childs []int32 // the smaller and the larger child of each position in the window
}

func (f *finder) prepare() {
	f.head3, f.head4 = make([]int32, 1<<hashBits), make([]int32, 1<<hashBits)
	f.childs = make([]int32, 2*windowSize)
	f.forget()
}

// forget removes all strings.
func (f *finder) forget() {
	f.base = 0
	for _, table := range [][]int32{f.head3, f.head4, f.childs} {
		for i := range table {
			table[i] = never
		}
	}
}

// shift tells the finder that the buffer has lost its first n bytes. It forgets all strings
// once in a gigabyte, before positions overflow; that loses the matches of one window.
func (f *finder) shift(n int) {
	if f.base += int32(n); f.base > 1<<30 {
		f.forget()
	}
}

// find inserts the string at i, and appends its matches to found, from the shortest to the
// longest. Matches end before the end of buf. Except at the end of the input, buf must go
// on for lookahead bytes after i: trees of strings that were cut are not sorted.
func (f *finder) find(buf []byte, i int, found []match) []match {
	limit := min(len(buf)-i, maxMatch)
	if limit < 4 {
		return found
	}
	nice := min(limit, niceMatch)
	at := f.base + int32(i)
	four := binary.LittleEndian.Uint32(buf[i:])
	best := minMatch - 1

	h := (four << 8) * 0x9e3779b1 >> (32 - hashBits)
	if d := at - f.head3[h]; d < windowSize {
		if j := i - int(d); buf[j] == buf[i] && buf[j+1] == buf[i+1] && buf[j+2] == buf[i+2] {
			best = minMatch
			found = append(found, match{minMatch, uint16(d)})
		}
	}
	f.head3[h] = at

	h = four * 0x9e3779b1 >> (32 - hashBits)
	node := f.head4[h]
	f.head4[h] = at
	smaller, larger := 2*(int(at)&window), 2*(int(at)&window)+1 // slots for the next smaller and larger string
	sameSmaller, sameLarger, length := 0, 0, 0
	for depth := maxDepth; ; depth-- {
		d := at - node
		if d >= windowSize || depth == 0 {
			f.childs[smaller], f.childs[larger] = never, never
			return found
		}
		j := i - int(d)
		length += same(buf[j+length:], buf[i+length:i+limit])
		pair := 2 * (int(node) & window)
		if length > best {
			best = length
			found = append(found, match{uint16(length), uint16(d)})
		}
		if length >= nice { // the new string replaces the old one
			f.childs[smaller], f.childs[larger] = f.childs[pair], f.childs[pair+1]
			return found
		}
		if buf[j+length] < buf[i+length] {
			f.childs[smaller] = node
			smaller, sameSmaller = pair+1, length
			node = f.childs[smaller]
		} else {
			f.childs[larger] = node
			larger, sameLarger = pair, length
			node = f.childs[larger]
		}
		length = min(sameSmaller, sameLarger)
	}
}

// same returns the length of the common prefix of a and b. a must not be shorter than b.
func same(a, b []byte) int {
	n := 0
	a = a[:len(b)]
	for len(b)-n >= 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			for x&0xff == 0 {
				x >>= 8
				n++
			}
			return n
		}
		n += 8
	}
	for n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
