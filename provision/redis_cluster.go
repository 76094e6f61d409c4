package provision

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

type redisOptions struct {
	nodes    words // HOST:PORT@BUS
	replicas int
}

func (o *redisOptions) flags() *flag.FlagSet {
	f := flag.NewFlagSet("redis cluster", flag.ContinueOnError)
	f.Var(&o.nodes, "node", "where a node is, and the port on which it talks with others")
	f.IntVar(&o.replicas, "replicas", 0, "how many replicas each master has")
	return f
}

// redisPatience is how long the nodes may take to agree. It is generous, since they do so
// by gossip.
const redisPatience = 5 * time.Minute

// redisSlots are the parts into which keys fall.
const redisSlots = 16384

// makeRedisCluster makes one cluster of the nodes, unless it is made, and returns once it
// serves: every node knows all others, and every replica has the data of its master. Each
// step looks at what there is, so it may be repeated at any point. A node that joins later
// becomes a replica. So does one that has lost its data, unless it was a master: then it has
// its slots again, without keys.
func makeRedisCluster(ctx context.Context, o redisOptions) error {
	ctx, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	c := redisCluster{replicas: o.replicas}
	for _, at := range o.nodes {
		n, err := dialRedis(ctx, at, os.Getenv("REDISCLI_AUTH"))
		if err != nil {
			return err
		}
		defer n.conn.Close()
		c.nodes = append(c.nodes, n)
	}
	return c.run(ctx)
}

// A redisCluster is the nodes of one, in the order of the definition.
type redisCluster struct {
	nodes    []*redisNode
	replicas int
}

// A redisNode is a connection to a node, and what it said last.
type redisNode struct {
	at, host, port, bus string
	conn                net.Conn
	in                  *bufio.Reader

	id    string
	known map[string]redisLine // by id
}

// A redisLine is what a node says of one that it knows.
type redisLine struct {
	at     string // HOST:PORT
	flags  []string
	master string   // the id of the one that it follows
	ranges []string // of slots
}

func (c *redisCluster) run(ctx context.Context) error {
	if err := c.look(); err != nil {
		return err
	}
	if err := c.assign(); err != nil {
		return err
	}
	if err := c.until(ctx, "the nodes do not know each other yet", c.meet); err != nil {
		return err
	}
	if err := c.until(ctx, "some nodes look for keys at a node that is gone", c.agree); err != nil {
		return err
	}
	if err := c.until(ctx, "not every replica has a master yet", c.follow); err != nil {
		return err
	}
	return c.until(ctx, "the cluster does not serve yet", c.serves)
}

// until repeats a step until it is done.
func (c *redisCluster) until(ctx context.Context, why string, step func(round int) (done bool, err error)) error {
	for round := 0; ; round++ {
		if err := c.look(); err != nil {
			return err
		}
		if done, err := step(round); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("redis: %s\nhint: the nodes' own logs say more", why)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// look asks each node whom it knows.
func (c *redisCluster) look() error {
	for _, n := range c.nodes {
		var err error
		if n.id, err = n.do("CLUSTER", "MYID"); err != nil {
			return err
		}
		text, err := n.do("CLUSTER", "NODES")
		if err != nil {
			return err
		}
		n.known = map[string]redisLine{}
		for line := range strings.Lines(text) {
			if f := strings.Fields(line); len(f) >= 8 {
				at, _, _ := strings.Cut(f[1], "@")
				n.known[f[0]] = redisLine{at, strings.Split(f[2], ","), f[3], f[8:]}
			}
		}
	}
	return nil
}

// owners are the ids of the nodes that have the slots, as each says of itself.
func (c *redisCluster) owners() (owners [redisSlots]string, covered int) {
	for _, n := range c.nodes {
		for slot := range n.known[n.id].slots {
			if owners[slot] == "" {
				covered++
			}
			owners[slot] = n.id
		}
	}
	return owners, covered
}

// slots yields the slots of a node.
func (l redisLine) slots(yield func(slot int) bool) {
	for _, r := range l.ranges {
		low, high, isRange := strings.Cut(r, "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err1 != nil || err2 != nil {
			continue // on its way to another node
		}
		for slot := max(from, 0); slot <= min(to, redisSlots-1); slot++ {
			if !yield(slot) {
				return
			}
		}
	}
}

func (l redisLine) isReplica() bool { return slices.Contains(l.flags, "slave") }

// gone reports whether no node has an id: one that has lost its data has another.
func (c *redisCluster) gone(id string) bool {
	return !slices.ContainsFunc(c.nodes, func(n *redisNode) bool { return n.id == id })
}

func (c *redisCluster) masters() int { return max(1, len(c.nodes)/(c.replicas+1)) }

// share are the slots that master i begins with.
func (c *redisCluster) share(i int) (from, to int) {
	return i * redisSlots / c.masters(), (i + 1) * redisSlots / c.masters()
}

// assign gives the slots to the masters.
func (c *redisCluster) assign() error {
	owners, covered := c.owners()
	if covered == redisSlots {
		return nil
	}
	for i := range c.masters() {
		from, to := c.share(i)
		slots := []string{"CLUSTER", "ADDSLOTS"}
		for slot := from; slot < to; slot++ {
			if owners[slot] == "" {
				slots = append(slots, strconv.Itoa(slot))
			}
		}
		switch len(slots) - 2 {
		case 0:
			continue
		case to - from:
		default:
			return lasting(errors.New("redis: nobody has some of the slots of a cluster that was made otherwise\nhint: stop nothing, and type: redis-cli --cluster fix " + c.nodes[0].at))
		}
		master := c.nodes[i]
		if master.known[master.id].isReplica() { // of one that has lost its data
			for _, n := range c.nodes {
				if own := n.known[n.id]; !own.isReplica() && len(own.ranges) == 0 {
					master = n
				}
			}
		}
		// Without an epoch of its own a master gets one when two have the same, which takes
		// longer. A node that knows others refuses, and has had its chance.
		_, _ = master.do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if _, err := master.do(slots...); err != nil {
			return err
		}
	}
	return nil
}

// meet makes the first node know all others, and each of them the first, from which it hears
// of the rest. A node listens to none that it does not know, so that it is known is not enough:
// one that was killed before it had written whom it met has forgotten them.
func (c *redisCluster) meet(round int) (done bool, err error) {
	done = true
	first := c.nodes[0]
	for _, n := range c.nodes {
		for _, other := range c.nodes {
			done = done && n.knows(other)
		}
		if round%20 != 0 || first.knows(n) && n.knows(first) {
			continue
		}
		if _, err := first.do("CLUSTER", "MEET", n.host, n.port, n.bus); err != nil {
			return false, err
		}
	}
	return done, nil
}

// knows reports whether a node knows another one by its present address.
func (n *redisNode) knows(other *redisNode) bool {
	line, known := n.known[other.id]
	own := other.known[other.id].at // where it says it is, if it knows
	return known && !slices.Contains(line.flags, "handshake") && (n == other || line.at == own || strings.HasPrefix(own, ":") && line.at == other.at)
}

// agree gives a later epoch to nodes whose slots others believe to be a node's that is gone.
// Without one they would do so for good.
func (c *redisCluster) agree(round int) (done bool, err error) {
	owners, _ := c.owners()
	doubted := map[string]bool{}
	for _, n := range c.nodes {
		for id, line := range n.known {
			if !c.gone(id) {
				continue
			}
			for slot := range line.slots {
				doubted[owners[slot]] = true
			}
		}
	}
	for _, n := range c.nodes {
		if !doubted[n.id] || round%20 != 0 {
			continue
		}
		if _, err := n.do("CLUSTER", "BUMPEPOCH"); err != nil {
			return false, err
		}
	}
	return len(doubted) == 0, nil
}

// follow makes replicas of the nodes without slots, and lets those follow another one whose
// master is gone.
func (c *redisCluster) follow(int) (done bool, err error) {
	owners, covered := c.owners()
	if covered < redisSlots {
		return false, nil // a node that has lost its slots to another one has not yet heard
	}
	done = true
	for i, n := range c.nodes {
		own := n.known[n.id]
		if own.isReplica() && !c.gone(own.master) || len(own.ranges) > 0 {
			continue
		}
		done = false
		from, _ := c.share(i % c.masters())
		if _, err := n.do("CLUSTER", "REPLICATE", owners[from]); err != nil {
			return false, err
		}
	}
	return done, nil
}

// serves reports whether all nodes say so, and the replicas have what they copy.
func (c *redisCluster) serves(int) (done bool, err error) {
	for _, n := range c.nodes {
		state, err := n.do("CLUSTER", "INFO")
		if err != nil || !strings.Contains(state, "cluster_state:ok") {
			return false, err
		}
		copies, err := n.do("INFO", "replication")
		if err != nil || strings.Contains(copies, "role:slave") && !strings.Contains(copies, "master_link_status:up") {
			return false, err
		}
	}
	return true, nil
}

// dialRedis connects to a node, which is HOST:PORT@BUS.
func dialRedis(ctx context.Context, at, password string) (*redisNode, error) {
	n := &redisNode{}
	var err error
	n.at, n.bus, _ = strings.Cut(at, "@")
	if n.host, n.port, err = net.SplitHostPort(n.at); err != nil {
		return nil, fmt.Errorf("redis: %v", err)
	}
	if n.conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", n.at); err != nil {
		return nil, fmt.Errorf("redis: %v", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = n.conn.SetDeadline(deadline) // which a connection of TCP takes
	}
	n.in = bufio.NewReader(n.conn)
	n.at = strings.Trim(n.host, "[]") + ":" + n.port // as nodes write it
	if password == "" {
		return n, nil
	}
	if _, err := n.do("AUTH", password); err != nil {
		n.conn.Close()
		return nil, err
	}
	return n, nil
}

// do runs a command whose answer is a text. An error of the server's own lasts if it is about
// who we are or what it is.
func (n *redisNode) do(command ...string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(command))
	for _, word := range command {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(n.conn, b.String()); err != nil {
		return "", fmt.Errorf("redis: %v", err)
	}
	answer, err := n.in.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("redis: %s ended the connection: %v", n.at, err)
	}
	kind, text := answer[0], strings.TrimSpace(answer[1:])
	switch kind {
	case '$':
		size, err := strconv.Atoi(text)
		if err != nil || size < 0 || size > 1<<24 {
			return "", fmt.Errorf("redis: %s answered %q\nhint: another program may listen there", n.at, answer)
		}
		body := make([]byte, size+2)
		if _, err := io.ReadFull(n.in, body); err != nil {
			return "", fmt.Errorf("redis: %s ended the connection: %v", n.at, err)
		}
		return string(body[:size]), nil
	case '-':
		err := fmt.Errorf("redis: %s refuses %s: %s\nhint: the node's own log may say more", n.at, strings.Join(command[:min(2, len(command))], " "), text)
		if command[0] == "AUTH" {
			err = fmt.Errorf("redis: %s refuses the password: %s\nhint: it is that of requirePass; settings and extraConfig must not say another", n.at, text)
		}
		for _, code := range []string{"WRONGPASS", "NOAUTH", "NOPERM", "ERR This instance has cluster support disabled"} {
			if strings.HasPrefix(text, code) {
				return "", lasting(err)
			}
		}
		return "", err
	}
	return text, nil
}
