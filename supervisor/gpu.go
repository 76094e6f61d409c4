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

// How long a start waits for the memory that the service has used before, and how often it
// looks meanwhile. Nobody looks while nothing waits.
const (
	freeLimit  = 30 * time.Second
	freePeriod = 250 * time.Millisecond
)

// gpuMemory remembers, for each service, how much memory of its cards was in use before its
// last start. The driver frees memory some time after the end of a program, and one that
// starts before that fails for lack of it.
type gpuMemory struct {
	mu     sync.Mutex
	before map[project.ID]gpu.Before
	users  map[RunID]gpuUser // runs that may use cards now
	mute   bool              // it was announced that the kernel's log can't be read
}

type gpuUser struct {
	service project.ID
	cards   []string // UUIDs
}

// begin notes that a run uses cards, and how much memory is in use now. A card that several
// services use is left out, since its memory says nothing about either.
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

// usesGPU reports whether the program of a run uses GPUs.
func (x *execution) usesGPU() bool {
	return x.m.GPU != nil && x.Service.GPUs != nil && x.Process.Role == project.Main
}

// awaitGPU waits until the memory of the service's last run is free, as far as that can be
// known, and remembers how much is in use now. It only fails if the run is cancelled. A
// driver that does not answer is announced, and does not prevent the start.
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

// sayGPUError announces that the driver is broken. If there is none, the service says so
// itself.
func (x *execution) sayGPUError(err error) {
	var e *gpu.Error
	if errors.As(err, &e) && e.Kind != gpu.Missing && e.Kind != gpu.None {
		x.m.say(x, e.InLine())
	}
}

// sayXids announces what the driver has reported during a run that has failed.
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
