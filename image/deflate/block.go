package deflate

import "encoding/binary"

// The kinds of a block, as its header has them.
const (
	storedBlock  = 0
	fixedBlock   = 1
	dynamicBlock = 2

	mostStored = 1<<16 - 1
)

// codes holds the codes of a block, with their lengths. The last two literals are unused.
type codes struct {
	literals    [nLiterals + 2]uint16
	literalLen  [nLiterals + 2]uint8
	distances   [nDistances]uint16
	distanceLen [nDistances]uint8
}

// fixed returns the lengths of the format's fixed codes, which need no table.
func fixed() *codes {
	c := &codes{}
	for i := range c.literalLen {
		switch {
		case i < 144:
			c.literalLen[i] = 8
		case i < 256:
			c.literalLen[i] = 9
		case i < 280:
			c.literalLen[i] = 7
		default:
			c.literalLen[i] = 8
		}
	}
	for i := range c.distanceLen {
		c.distanceLen[i] = 5
	}
	return c
}

// size returns the number of bits for the symbols of a block.
func (c *codes) size(s *stats) (n int) {
	for i, times := range s.literals {
		n += int(times) * int(c.literalLen[i])
	}
	for slot := 8; slot < 28; slot++ { // of lengths, those with bits behind the code
		n += int(s.literals[firstLength+slot]) * (slot/4 - 1)
	}
	for slot, times := range s.distances {
		n += int(times) * (int(c.distanceLen[slot]) + max(slot/2-1, 0))
	}
	return n
}

// A table is a block's description of its codes.
type table struct {
	literals, distances, precode int // how many lengths of each there are
	runs                         []run
	lens                         [nPrecode]uint8
	codes                        [nPrecode]uint16
}

func tableOf(c *codes) *table {
	t := &table{literals: nLiterals, distances: nDistances, precode: nPrecode}
	for t.literals > firstLength && c.literalLen[t.literals-1] == 0 {
		t.literals--
	}
	for t.distances > 1 && c.distanceLen[t.distances-1] == 0 {
		t.distances--
	}
	lengths := make([]uint8, 0, nLiterals+nDistances)
	lengths = append(lengths, c.literalLen[:t.literals]...)
	lengths = append(lengths, c.distanceLen[:t.distances]...)
	t.runs = runsOf(lengths, nil)
	var freq [nPrecode]uint32
	for _, r := range t.runs {
		freq[r.symbol]++
	}
	codeLengths(freq[:], 7, t.lens[:])
	codesOf(t.lens[:], t.codes[:])
	for t.precode > 4 && t.lens[precodeOrder[t.precode-1]] == 0 {
		t.precode--
	}
	return t
}

func (t *table) size() int {
	n := 14 + 3*t.precode
	for _, r := range t.runs {
		n += int(t.lens[r.symbol] + precodeExtra(r.symbol))
	}
	return n
}

func (t *table) write(out *bitWriter) {
	out.put(uint32(t.literals-firstLength), 5)
	out.put(uint32(t.distances-1), 5)
	out.put(uint32(t.precode-4), 4)
	for i := range t.precode {
		out.put(uint32(t.lens[precodeOrder[i]]), 3)
	}
	for _, r := range t.runs {
		out.put(uint32(t.codes[r.symbol]), t.lens[r.symbol])
		out.put(uint32(r.extra), precodeExtra(r.symbol))
	}
}

// write writes a block as the smallest of the three kinds.
func (p *parser) write(text []byte, b *block, last bool, out *bitWriter) {
	final := uint32(0)
	if last {
		final = 1
	}
	c := &codes{}
	codeLengths(b.stats.literals[:], 15, c.literalLen[:nLiterals])
	codeLengths(b.stats.distances[:], 15, c.distanceLen[:])
	t := tableOf(c)
	dynamic := t.size() + c.size(&b.stats)
	plain := fixed()
	n := b.to - b.from
	stored := 8*n + 40*((n+mostStored-1)/mostStored)
	switch size := plain.size(&b.stats); {
	case stored < min(size, dynamic):
		for from := b.from; from < b.to; {
			n := min(b.to-from, mostStored)
			flag := final
			if from+n < b.to {
				flag = 0
			}
			out.put(flag|storedBlock<<1, 3)
			out.flush()
			out.buf = binary.LittleEndian.AppendUint16(out.buf, uint16(n))
			out.buf = binary.LittleEndian.AppendUint16(out.buf, ^uint16(n))
			out.buf = append(out.buf, text[from:from+n]...)
			from += n
		}
		return
	case size <= dynamic:
		c = plain
		out.put(final|fixedBlock<<1, 3)
	default:
		out.put(final|dynamicBlock<<1, 3)
		t.write(out)
	}
	codesOf(c.literalLen[:], c.literals[:])
	codesOf(c.distanceLen[:], c.distances[:])
	for i := b.from; i < b.to; {
		m := p.way[i]
		if m.length == 0 {
			out.put(uint32(c.literals[text[i]]), c.literalLen[text[i]])
			i++
			continue
		}
		symbol := firstLength + int(p.slots[m.length])
		out.put(uint32(c.literals[symbol]), c.literalLen[symbol])
		out.put(lengthExtra(int(m.length)))
		slot := distanceSlot(m.distance)
		out.put(uint32(c.distances[slot]), c.distanceLen[slot])
		out.put(distanceExtra(m.distance))
		i += int(m.length)
	}
	out.put(uint32(c.literals[endOfBlock]), c.literalLen[endOfBlock])
}
