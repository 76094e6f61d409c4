package supervisor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"nix2gpu/gpu"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// How long a start waits at most until the memory that the service had before
// is free, and how often it asks meanwhile. At rest nobody is asked.
const (
	freeLimit  = 30 * time.Second
	freePeriod = 250 * time.Millisecond
)

// gpuMemory remembers how much memory the cards of each service had in use
// before its last start. The driver frees memory some time after the program
// has ended, and a program that begins meanwhile fails for lack of it.
type gpuMemory struct {
	mu     sync.Mutex
	before map[project.ID]gpu.Before
	users  map[RunID]gpuUser // runs that may use cards now
	mute   bool              // that the kernel's log can't be read was said
}

type gpuUser struct {
	service project.ID
	cards   []string // UUIDs
}

// begin notes that a run uses cards from now on, whose memory is as it was
// asked. A card that another service uses as well tells nothing of either.
func (g *gpuMemory) begin(id RunID, s project.ID, cards []gpu.Card) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.before == nil {
		g.before, g.users = map[project.ID]gpu.Before{}, map[RunID]gpuUser{}
	}
	before := gpu.Before{}
	user := gpuUser{service: s}
	for _, c := range cards {
		user.cards = append(user.cards, c.UUID)
		for other, own := range g.before {
			if other != s {
				delete(own, c.UUID)
			}
		}
		shared := false
		for _, u := range g.users {
			shared = shared || u.service != s && slices.Contains(u.cards, c.UUID)
		}
		if !shared && c.Used >= 0 {
			before[c.UUID] = c.Used
		}
	}
	g.before[s], g.users[id] = before, user
}

func (g *gpuMemory) end(id RunID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.users, id)
}

func (g *gpuMemory) of(s project.ID) gpu.Before {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.before[s]
}

// usesGPU reports whether a run is of a program that uses GPUs.
func (x *execution) usesGPU() bool {
	return x.m.GPU != nil && x.Service.GPUs != nil && x.Process.Role == project.Main
}

// awaitGPU waits until the memory of the service's last run is free, where that
// can be known, and remembers how it is now. It returns an error only when the
// run is cancelled: a driver that does not answer is told of, and no reason not
// to start.
func (x *execution) awaitGPU() error {
	if !x.usesGPU() {
		return nil
	}
	ctx, cancel := context.WithCancel(x.over)
	defer cancel()
	go func() {
		select {
		case <-x.cancel:
			cancel()
		case <-ctx.Done():
		}
	}()
	begun, waits := time.Now(), false
	for {
		cards, err := gpu.Cards(ctx, x.m.GPU)
		if ctx.Err() != nil {
			return errStopped
		}
		if err != nil {
			x.sayGPUError(err)
			return nil
		}
		cards = gpu.Pick(x.Service.GPUs, cards)
		busy := gpu.Busy(cards, x.m.memory.of(x.Service.ID))
		waited := time.Since(begun)
		switch {
		case busy != "" && waited < freeLimit:
			if !waits {
				waits = true
				x.m.say(x, sayGPUBusy(busy))
			}
			select {
			case <-time.After(freePeriod):
			case <-ctx.Done():
				return errStopped
			}
			continue
		case busy != "":
			x.m.say(x, sayGPUStillBusy(waited, busy))
		case waits:
			x.m.Say(serviceLine(x.Service, sayGPUFree(waited)), servicelog.Plain)
		}
		x.m.memory.begin(x.ID, x.Service.ID, cards)
		x.onClose(func() { x.m.memory.end(x.ID) })
		return nil
	}
}

// sayGPUError tells of a driver that is broken. That there is none, the service
// says itself.
func (x *execution) sayGPUError(err error) {
	var e *gpu.Error
	if errors.As(err, &e) && e.Kind != gpu.Missing && e.Kind != gpu.None {
		x.m.say(x, e.InLine())
	}
}

// sayXids tells what the driver has reported while a run that failed went on.
func (x *execution) sayXids(ran time.Duration) {
	if !x.usesGPU() || len(gpu.Devices("/")) == 0 {
		return
	}
	xids, err := gpu.Xids(gpu.Kmsg, gpu.Uptime()-ran-time.Second)
	if err != nil {
		x.m.memory.mu.Lock()
		said := x.m.memory.mute
		x.m.memory.mute = true
		x.m.memory.mu.Unlock()
		if !said {
			x.m.say(x, sayNoKmsg(err))
		}
		return
	}
	for _, xid := range xids {
		x.m.say(x, xid.String())
	}
}
