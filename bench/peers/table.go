package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// floorName is the name of the raw floor among the supervisors.
const floorName = "floor"

func absolute(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	return path, err
}

// A table is what was measured.
type table struct {
	rounds int
	peers  []Peer
	rows   []Row
	cells  map[cell][][]float64 // by value, then by round
	failed map[cell]error
}

// A cell is one row of one supervisor.
type cell struct{ row, peer string }

// measure does all jobs: one after the other, each under all supervisors in turn, and
// that as often as there are rounds. What a supervisor can't do, or fails at, is a result
// too.
func (t *table) measure(ctx context.Context, b *bench, progress io.Writer) error {
	t.cells, t.failed = map[cell][][]float64{}, map[cell]error{}
	for _, row := range t.rows {
		for round := range t.rounds {
			for _, peer := range t.peers {
				at := cell{row.Name, peer.Name}
				if t.failed[at] != nil {
					continue
				}
				fmt.Fprintf(progress, "%s: %s, round %d of %d\n", row.Name, peer.Name, round+1, t.rounds)
				got, err := row.Run(ctx, b, peer)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err != nil {
					t.failed[at] = err
					continue
				}
				values := t.cells[at]
				if values == nil {
					values = make([][]float64, len(row.Values))
				}
				for i, v := range got {
					values[i] = append(values[i], v)
				}
				t.cells[at] = values
			}
		}
	}
	return nil
}

// print prints a table that people can read, and that Markdown shows. The ratios are to
// the floor of the same run.
func (t *table) print(w io.Writer) {
	fmt.Fprintf(w, "| job | what |")
	for _, p := range t.peers {
		fmt.Fprintf(w, " %s |", p.Name)
	}
	fmt.Fprintf(w, "\n|---|---|%s\n", strings.Repeat("---|", len(t.peers)))
	for _, row := range t.rows {
		for i, v := range row.Values {
			unit := ""
			if v.Unit != "" {
				unit = ", " + v.Unit
			}
			fmt.Fprintf(w, "| %s | %s%s |", row.Job, v.Name, unit)
			for _, p := range t.peers {
				fmt.Fprintf(w, " %s |", t.text(row, i, p))
			}
			fmt.Fprintln(w)
		}
	}
	for _, row := range t.rows {
		for _, p := range t.peers {
			if err := t.failed[cell{row.Name, p.Name}]; err != nil && !errors.Is(err, errUnsupported) {
				fmt.Fprintf(w, "\n%s, %s: %v\n", row.Name, p.Name, err)
			}
		}
	}
}

// text is one figure of the table.
func (t *table) text(row Row, i int, p Peer) string {
	at := cell{row.Name, p.Name}
	switch err := t.failed[at]; {
	case errors.Is(err, errUnsupported):
		return "–"
	case err != nil:
		return "failed"
	case t.cells[at] == nil:
		return "not measured"
	}
	v := median(t.cells[at][i])
	text := figure(v)
	floor := t.cells[cell{row.Name, floorName}]
	if p.Name != floorName && len(floor) > i {
		if f := median(floor[i]); f > 0 && row.Values[i].Unit != "" {
			text += fmt.Sprintf(" (%.2f)", v/f)
		}
	}
	return text
}

// figure prints three digits.
func figure(v float64) string {
	switch {
	case v == float64(int(v)) || v >= 100 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// json prints every value of every round, for other programs.
func (t *table) json(w io.Writer) error {
	type result struct {
		Row, Peer, Value, Unit string
		Rounds                 []float64
		Failure                string `json:",omitempty"`
	}
	var all []result
	for _, row := range t.rows {
		for _, p := range t.peers {
			at := cell{row.Name, p.Name}
			if err := t.failed[at]; err != nil {
				all = append(all, result{Row: row.Name, Peer: p.Name, Failure: err.Error()})
				continue
			}
			if t.cells[at] == nil {
				continue
			}
			for i, v := range row.Values {
				all = append(all, result{Row: row.Name, Peer: p.Name, Value: v.Name, Unit: v.Unit, Rounds: t.cells[at][i]})
			}
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(all)
}

// median returns the middle of values, the larger one of two.
func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
