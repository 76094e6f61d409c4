package deflate

import "math/bits"

const (
	// rounds is how often each block is parsed with the costs that the parse before has
	// shown. A second round would save 0.3 %, and take a third more time.
	rounds = 1
	// piece is the least length of a block, in bytes of input, except for the last one.
	piece = 1 << 13

	bit = 1 << 8 // costs are in 1/256 of a bit
)

// stats counts the symbols of a block.
type stats struct {
	literals  [nLiterals]uint32
	distances [nDistances]uint32
}

// A block is a part of a segment, with its own codes.
type block struct {
	from, to int // in the segment
	stats    stats
}

// A parser turns input into literals and matches, and writes them.
type parser struct {
	found   []match  // matches of all positions of the segment
	first   []uint32 // for each position, the index of its first match
	ignored []match  // a buffer

	cost []uint32 // for each position, the cost from there to the end of its block
	way  []match  // for each position, the cheapest next step; a length of 0 is a literal

	slots     [maxMatch + 1]uint8
	literal   [256]uint32 // the costs of each symbol with its extra bits
	length    [maxMatch + 1]uint32
	distances [nDistances]uint32
	blocks    []block
}

func (p *parser) prepare() {
	p.cost, p.way = make([]uint32, segment+1), make([]match, segment)
	p.first = make([]uint32, 0, segment+1)
	for l := minMatch; l <= maxMatch; l++ {
		p.slots[l] = lengthSlot(l)
	}
}

// segment compresses buf[start:end]. It compares strings with the bytes before and after
// that, but writes none of them.
func (p *parser) segment(f *finder, buf []byte, start, end int, last bool, out *bitWriter) {
	n := end - start
	if n == 0 { // an empty block with fixed codes
		if last {
			out.put(1|1<<1, 3)
			out.put(0, 7)
		}
		return
	}
	p.matches(f, buf, start, end)
	text := buf[start:end]
	p.guess(text)
	p.parse(text, 0, n)
	p.split(text)
	for i := range p.blocks {
		b := &p.blocks[i]
		for range rounds {
			p.learn(&b.stats)
			p.parse(text, b.from, b.to)
			b.stats = stats{}
			p.count(text, b.from, b.to, &b.stats)
		}
		p.write(text, b, last && i == len(p.blocks)-1, out)
	}
}

// matches finds the matches of all positions.
func (p *parser) matches(f *finder, buf []byte, start, end int) {
	p.found, p.first = p.found[:0], p.first[:0]
	for i := start; i < end; {
		p.first = append(p.first, uint32(len(p.found)))
		p.found = f.find(buf, i, p.found)
		stop := i + 1
		if at := int(p.first[i-start]); at < len(p.found) {
			if longest := int(p.found[len(p.found)-1].length); longest >= niceMatch {
				stop = min(i+longest, end)
			}
		}
		for i++; i < stop; i++ {
			p.first = append(p.first, uint32(len(p.found)))
			p.ignored = f.find(buf, i, p.ignored[:0])
		}
	}
	p.first = append(p.first, uint32(len(p.found)))
}

// parse finds the cheapest way between two positions of the segment. It goes backwards, so
// that the cost of all that follows a position is known.
func (p *parser) parse(text []byte, from, to int) {
	p.cost[to] = 0
	for i := to - 1; i >= from; i-- {
		best, take := p.literal[text[i]]+p.cost[i+1], match{}
		length := minMatch
		for _, m := range p.found[p.first[i]:p.first[i+1]] {
			most := min(int(m.length), to-i)
			if most < length {
				continue
			}
			far := p.distances[distanceSlot(m.distance)]
			behind := p.cost[i+length : i+most+1]
			costs := p.length[length : most+1]
			for j, c := range costs[:len(behind)] {
				if c += far + behind[j]; c < best {
					best, take = c, match{uint16(length + j), m.distance}
				}
			}
			length = most + 1
		}
		p.cost[i], p.way[i] = best, take
	}
}

// count adds the symbols of the way between two positions to s.
func (p *parser) count(text []byte, from, to int, s *stats) {
	for i := from; i < to; {
		m := p.way[i]
		if m.length == 0 {
			s.literals[text[i]]++
			i++
			continue
		}
		s.literals[firstLength+int(p.slots[m.length])]++
		s.distances[distanceSlot(m.distance)]++
		i += int(m.length)
	}
	s.literals[endOfBlock]++
}

// guess sets costs for the first parse, when only the bytes are known.
func (p *parser) guess(text []byte) {
	var n [256]uint32
	for _, c := range text {
		n[c]++
	}
	for c := range p.literal {
		p.literal[c] = max(costOf(n[c], uint32(len(text))), 4*bit)
	}
	p.setLengths(func(int) uint32 { return 5 * bit })
	for slot := range p.distances {
		p.distances[slot] = 4*bit + distanceBits(slot)
	}
}

// learn sets costs by the frequencies of symbols.
func (p *parser) learn(s *stats) {
	literals, distances := uint32(0), uint32(0)
	for _, n := range s.literals {
		literals += n
	}
	for _, n := range s.distances {
		distances += n
	}
	for c := range p.literal {
		p.literal[c] = costOf(s.literals[c], literals)
	}
	p.setLengths(func(slot int) uint32 { return costOf(s.literals[firstLength+slot], literals) })
	for slot := range p.distances {
		p.distances[slot] = costOf(s.distances[slot], distances) + distanceBits(slot)
	}
}

func (p *parser) setLengths(of func(slot int) uint32) {
	for l := minMatch; l <= maxMatch; l++ {
		_, extra := lengthExtra(l)
		p.length[l] = of(int(p.slots[l])) + bit*uint32(extra)
	}
}

// distanceBits returns the cost of the bits that follow the code for a distance.
func distanceBits(slot int) uint32 { return bit * uint32(max(slot/2-1, 0)) }

// costOf returns the cost of a symbol that occurs n times among total. A code has at least
// one bit. A symbol that did not occur has a cost too, since the next parse may want it.
func costOf(n, total uint32) uint32 {
	if n == 0 {
		return log2(max(total, 1)) + 2*bit
	}
	return max(log2(total)-log2(n), bit)
}

// log2 returns the binary logarithm of n in units of costs. It does without floating
// point, whose last bits differ between processors.
func log2(n uint32) uint32 {
	whole := bits.Len32(n) - 1
	x := uint64(n) << (31 - whole) // from 1 to 2, with 31 bits behind the point
	out := uint32(whole) * bit
	for step := uint32(bit / 2); step > 0; step /= 2 {
		if x = x * x >> 31; x >= 1<<32 {
			x >>= 1
			out += step
		}
	}
	return out
}

// split divides the segment into blocks. It joins neighbouring pieces as long as that saves
// more than separate codes do, always those two that save most.
func (p *parser) split(text []byte) {
	p.blocks = p.blocks[:0]
	for from := 0; from < len(text); {
		to := from
		for to < len(text) && to-from < piece {
			to += max(int(p.way[to].length), 1)
		}
		b := block{from: from, to: to}
		p.count(text, from, to, &b.stats)
		p.blocks = append(p.blocks, b)
		from = to
	}
	alone := make([]uint64, len(p.blocks))
	for i := range p.blocks {
		alone[i] = p.blocks[i].stats.size()
	}
	joined := make([]uint64, len(p.blocks)) // with the next
	join := func(i int) {
		if i >= 0 && i+1 < len(p.blocks) {
			s := p.blocks[i].stats
			s.add(&p.blocks[i+1].stats)
			joined[i] = s.size()
		}
	}
	for i := range p.blocks {
		join(i)
	}
	for {
		best, gain := -1, uint64(0)
		for i := range len(p.blocks) - 1 {
			if apart := alone[i] + alone[i+1]; apart > joined[i] && apart-joined[i] > gain {
				best, gain = i, apart-joined[i]
			}
		}
		if best < 0 {
			return
		}
		p.blocks[best].stats.add(&p.blocks[best+1].stats)
		p.blocks[best].to = p.blocks[best+1].to
		alone[best] = joined[best]
		p.blocks = append(p.blocks[:best+1], p.blocks[best+2:]...)
		alone = append(alone[:best+1], alone[best+2:]...)
		joined = append(joined[:best+1], joined[best+2:]...)
		join(best - 1)
		join(best)
	}
}

func (s *stats) add(o *stats) {
	for i, n := range o.literals {
		s.literals[i] += n
	}
	s.literals[endOfBlock]-- // one block has one end
	for i, n := range o.distances {
		s.distances[i] += n
	}
}

// size estimates the cost of a block with these symbols, without the bits that follow
// lengths and distances, which are the same in any block.
func (s *stats) size() uint64 {
	size := uint64(150 * bit)
	add := func(list []uint32) {
		total := uint32(0)
		for _, n := range list {
			total += n
		}
		for _, n := range list {
			if n > 0 {
				size += uint64(n)*uint64(max(log2(total)-log2(n), bit)) + 3*bit
			}
		}
	}
	add(s.literals[:])
	add(s.distances[:])
	return size
}
