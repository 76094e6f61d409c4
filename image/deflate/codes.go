package deflate

import (
	"math/bits"
	"slices"
)

// The alphabets of the format: literals, end of block and lengths; distances; and the
// precode, for the lengths of their codes.
const (
	nLiterals  = 286
	nDistances = 30
	nPrecode   = 19

	endOfBlock  = 256
	firstLength = 257

	// precodeOrder is the order of the precode's lengths in a block.
	precodeOrder = "\x10\x11\x12\x00\x08\x07\x09\x06\x0a\x05\x0b\x04\x0c\x03\x0d\x02\x0e\x01\x0f"
)

// lengthSlot returns the number of the code for a length, from 0.
func lengthSlot(length int) uint8 {
	x := length - minMatch
	switch {
	case length == maxMatch:
		return 28
	case x < 8:
		return uint8(x)
	}
	n := bits.Len(uint(x)) - 1
	return uint8(4*(n-1) + x>>(n-2)&3)
}

// lengthExtra returns the bits that follow the code for a length, and their number.
func lengthExtra(length int) (value uint32, n uint8) {
	x := length - minMatch
	if length == maxMatch || x < 8 {
		return 0, 0
	}
	n = uint8(bits.Len(uint(x)) - 3)
	return uint32(x) & (1<<n - 1), n
}

// distanceSlot returns the number of the code for a distance, from 0.
func distanceSlot(distance uint16) uint8 {
	x := uint32(distance) - 1
	if x < 4 {
		return uint8(x)
	}
	n := bits.Len32(x) - 1
	return uint8(2*n) + uint8(x>>(n-1)&1)
}

// distanceExtra returns the bits that follow the code for a distance, and their number.
func distanceExtra(distance uint16) (value uint32, n uint8) {
	x := uint32(distance) - 1
	if x < 4 {
		return 0, 0
	}
	n = uint8(bits.Len32(x) - 2)
	return x & (1<<n - 1), n
}

// codeLengths sets the length of the code for each symbol, at most limit bits; 0 for
// symbols that do not occur. At least two get a code, because some decoders refuse less.
func codeLengths(freq []uint32, limit int, lengths []uint8) {
	// A symbol is its frequency above its id: numbers sort faster than structures, and the
	// code that sorts them is there already.
	const idBits = 16
	list := make([]int, 0, nLiterals+2)
	for id, n := range freq {
		lengths[id] = 0
		if n > 0 {
			list = append(list, int(n)<<idBits|id)
		}
	}
	for id := 0; len(list) < 2; id++ {
		if freq[id] == 0 {
			list = append(list, 1<<idBits|id)
		}
	}
	slices.Sort(list)

	// Huffman's tree. Leaves are sorted, and inner nodes are made in sorted order.
	n := len(list)
	var weight [2 * nLiterals]uint32
	var parent [2 * nLiterals]uint16
	for i, s := range list {
		weight[i] = uint32(s >> idBits)
	}
	leaf, inner := 0, n
	for next := n; next < 2*n-1; next++ {
		for range 2 {
			child := inner
			if leaf < n && (inner >= next || weight[leaf] <= weight[inner]) {
				child = leaf
				leaf++
			} else {
				inner++
			}
			weight[next] += weight[child]
			parent[child] = uint16(next)
		}
	}
	var depth [2 * nLiterals]uint8
	var count [16]int
	for i := 2*n - 3; i >= 0; i-- {
		depth[i] = depth[parent[i]] + 1
		if i < n {
			count[min(int(depth[i]), limit)]++
		}
	}
	// Codes that were cut to the limit take too much of the code space: make shorter ones
	// longer until all fit.
	room := 0
	for l := 1; l <= limit; l++ {
		room += count[l] << (limit - l)
	}
	for ; room > 1<<limit; room-- {
		count[limit]--
		l := limit - 1
		for count[l] == 0 {
			l--
		}
		count[l]--
		count[l+1] += 2
	}
	i := 0
	for l := limit; l > 0; l-- {
		for range count[l] {
			lengths[list[i]&(1<<idBits-1)] = uint8(l)
			i++
		}
	}
}

// codesOf sets the codes that follow from their lengths, with the first bit lowest.
func codesOf(lengths []uint8, codes []uint16) {
	var count, next [17]uint16
	for _, l := range lengths {
		count[l]++
	}
	count[0] = 0
	for l := 1; l <= 15; l++ {
		next[l+1] = (next[l] + count[l]) << 1
	}
	for i, l := range lengths {
		codes[i] = bits.Reverse16(next[l] << (16 - l))
		next[l]++
	}
}

// A run is a symbol of the precode with the value of its extra bits.
type run struct{ symbol, extra uint8 }

// runsOf appends the symbols of the precode for lengths of codes.
func runsOf(lengths []uint8, runs []run) []run {
	for i := 0; i < len(lengths); {
		value, n := lengths[i], 1
		for i+n < len(lengths) && lengths[i+n] == value {
			n++
		}
		i += n
		if value == 0 {
			for ; n >= 11; n -= min(n, 138) {
				runs = append(runs, run{18, uint8(min(n, 138) - 11)})
			}
			if n >= 3 {
				runs = append(runs, run{17, uint8(n - 3)})
				n = 0
			}
		} else {
			runs = append(runs, run{value, 0})
			for n--; n >= 3; n -= min(n, 6) {
				runs = append(runs, run{16, uint8(min(n, 6) - 3)})
			}
		}
		for range n {
			runs = append(runs, run{value, 0})
		}
	}
	return runs
}

// precodeExtra returns the number of bits that follow a symbol of the precode.
func precodeExtra(symbol uint8) uint8 {
	switch symbol {
	case 16:
		return 2
	case 17:
		return 3
	case 18:
		return 7
	}
	return 0
}
