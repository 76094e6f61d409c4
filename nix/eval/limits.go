package eval

import (
	"math"
	"runtime"
	"runtime/metrics"
	"strconv"
)

// Sizes beyond which a string or list is an error: a few doublings fill any
// memory, and Go's own end of memory can't be caught.
const (
	maxSize  = 1 << 27 // of a string, in bytes, unless Options say else
	listUnit = 8       // a list may have an eighth as many elements
)

// MaxText is the size of the largest text that is evaluated, in bytes, unless Options say
// else. Its tree is many times bigger.
const MaxText = 32 << 20

// stepBytes is about how many bytes a step allocates.
const stepBytes = 256

// checkContext ends the evaluation when its context has ended.
func (t *Thread) checkContext() {
	if t.ctx == nil {
		return
	}
	if err := t.ctx.Err(); err != nil {
		t.raise(&Error{Msg: "evaluation stopped: " + err.Error(), Kind: KindCanceled, cause: err})
	}
}

// step counts a call or a forced value. Go code that may visit many values without
// forcing any counts them too, so that it can be cancelled.
func (t *Thread) step() {
	t.steps++
	if t.steps&1023 == 0 {
		t.checkpoint() // one call, so that step itself is inlined
	}
}

func (t *Thread) checkpoint() {
	t.checkLimits()
	t.spend(1024 * stepBytes)
}

// charge counts n steps at once, before a primitive does as much work.
func (t *Thread) charge(n int64) {
	t.steps += n
	t.checkLimits()
}

func (t *Thread) checkLimits() {
	if limit := t.ev.opts.MaxSteps; limit > 0 && t.steps > limit {
		t.raise(&Error{Pos: t.Pos(), Msg: "evaluation stopped: it took more than the permitted number of steps", Kind: KindSteps})
	}
	t.checkContext()
}

// checkString ends the evaluation if a string of n bytes is too big.
func (t *Thread) checkString(n int) { t.checkSize(n, t.ev.opts.MaxSize) }

// checkList ends the evaluation if a list of n elements is too big.
func (t *Thread) checkList(n int) { t.checkSize(n, t.ev.opts.MaxSize/listUnit) }

// checkSize ends the evaluation if something gets too big.
func (t *Thread) checkSize(n, limit int) {
	if n > limit {
		t.raise(&Error{Pos: t.Pos(), Kind: KindSize, Msg: "evaluation stopped: a string or list is larger than permitted"})
	}
}

// grow is called before added bytes are appended to a text, which then has total bytes.
func (t *Thread) grow(total, added int) {
	t.checkString(total)
	t.spend(added)
}

// spend is called before n bytes are allocated, by code that may allocate much. It
// measures the heap only now and then: when the bytes spent since may have filled a
// part of what was free.
func (t *Thread) spend(n int) {
	if t.room -= int64(n); t.room < 0 {
		t.measure(int64(n))
	}
}

// measure ends the evaluation if the heap has no room for need more bytes.
func (t *Thread) measure(need int64) {
	room := int64(math.MaxInt64) // t.room stays negative if this ends the evaluation: what goes on is measured, too
	if limit := t.ev.opts.MaxMemory; limit > 0 {
		used := t.heap()
		if used+need > limit {
			runtime.GC() // garbage counts until it is collected
			// Close to the limit it would be collected again and again.
			if used = t.heap(); used+need > limit-limit/16 {
				t.raise(&Error{Pos: t.Pos(), Kind: KindMemory,
					Msg: "evaluation stopped: it needs more than the permitted " + strconv.FormatInt(limit>>20, 10) + " MiB of memory"})
			}
		}
		room = (limit - used - need) / 4
	}
	for grow := t.ev.opts.Grow; t.grown < len(grow); t.grown++ {
		g, used := grow[t.grown], t.heap()
		if left := g.Heap - used - need; left >= 0 {
			room = min(room, max(left, g.Heap/64))
			break
		}
		g.Do(need)
	}
	t.room = room
}

// heap returns the size of all objects in bytes, garbage included.
func (t *Thread) heap() int64 {
	if t.sample == nil {
		t.sample = []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	}
	metrics.Read(t.sample)
	return int64(t.sample[0].Value.Uint64())
}
