package inspect

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Bytes formats a size as registries and engines do, in powers of ten: "12.3 MB".
func Bytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1000*1000*1000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}

// table prints rows in aligned columns.
func table(w io.Writer, rows [][]string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(tw, strings.Join(r, "\t"))
	}
	tw.Flush()
}

// Write prints the facts for people.
func (img *Image) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintln(&b, img.Name)
	rows := [][]string{{"  digest", img.Digest}, {"  platform", img.Platform}}
	if !img.Created.IsZero() {
		rows = append(rows, []string{"  created", img.Created.Format(time.RFC3339)})
	}
	rows = append(rows, []string{"  size", fmt.Sprintf("%s in %s", Bytes(img.Size), count(len(img.Layers), "layer"))})
	all := settings(img)
	delete(all, "platform")
	for _, k := range slices.Sorted(maps.Keys(all)) {
		rows = append(rows, []string{"  " + k, all[k]})
	}
	table(&b, rows)
	fmt.Fprintln(&b, "\nlayers, from the bottom:")
	rows = nil
	for _, l := range img.Layers {
		rows = append(rows, []string{"  " + short(l.Digest), right(Bytes(l.Size)), l.Comment})
	}
	table(&b, rows)
	switch img.Known {
	case "":
		fmt.Fprintln(&b, "\nno list of packages in it")
	default:
		fmt.Fprintf(&b, "\n%s:\n", count(len(img.Packages), "package"))
		rows = nil
		for _, p := range img.Packages {
			rows = append(rows, []string{"  " + p.Name, p.Version, p.Arch})
		}
		table(&b, rows)
	}
	if len(img.Wheels) > 0 {
		fmt.Fprintf(&b, "\n%s of Python:\n", count(len(img.Wheels), "wheel"))
		rows = nil
		for _, w := range img.Wheels {
			rows = append(rows, []string{"  " + w.Name, w.Version})
		}
		table(&b, rows)
	}
	if img.Files != nil {
		fmt.Fprintf(&b, "\n%s:\n", count(len(img.Files), "file"))
		for _, p := range slices.Sorted(maps.Keys(img.Files)) {
			f := img.Files[p]
			fmt.Fprintf(&b, "  %s /%s\n", describe(&f), p+arrow(&f))
		}
	}
	_, err := io.WriteString(w, trimEnds(b.String()))
	return err
}

// Write prints the difference for people.
func (d *Difference) Write(w io.Writer) error {
	var b strings.Builder
	rows := [][]string{}
	for _, s := range []struct {
		sign string
		side Side
	}{{"-", d.A}, {"+", d.B}} {
		rows = append(rows, []string{s.sign + " " + s.side.Name, short(s.side.Digest), s.side.Platform, right(Bytes(s.side.Size))})
	}
	table(&b, rows)
	if d.Same() {
		fmt.Fprintln(&b, "\nthe same image")
		_, err := io.WriteString(w, trimEnds(b.String()))
		return err
	}
	fmt.Fprintf(&b, "\npackages: %s\n", packageCounts(d.Packages, d.SameP))
	table(&b, packageRows(d.Packages))
	if d.Wheels != nil && d.Wheels.Same+len(d.Wheels.Changed) > 0 {
		fmt.Fprintf(&b, "\nwheels of Python: %s\n", packageCounts(d.Wheels.Changed, d.Wheels.Same))
		table(&b, packageRows(d.Wheels.Changed))
	}
	if len(d.Config) == 0 {
		fmt.Fprintln(&b, "\nconfig: the same")
	} else {
		fmt.Fprintln(&b, "\nconfig:")
	}
	rows = nil
	for _, c := range d.Config {
		switch c.What {
		case Added:
			rows = append(rows, []string{"  + " + c.Name, c.New})
		case Removed:
			rows = append(rows, []string{"  - " + c.Name, c.Old})
		default:
			rows = append(rows, []string{"  ~ " + c.Name, c.Old + " → " + c.New})
		}
	}
	table(&b, rows)
	fmt.Fprintf(&b, "\nlayers: %d the same (%s)\n", d.Shared.Layers, Bytes(d.Shared.Size))
	rows = nil
	for _, l := range d.Layers {
		sign := map[string]string{Added: "+", Removed: "-"}[l.What]
		rows = append(rows, []string{"  " + sign + " " + short(l.Digest), right(Bytes(l.Size)), l.Comment})
	}
	table(&b, rows)
	fmt.Fprintf(&b, "\nto pull for who has the first: %s of %s\n", Bytes(d.Pull), Bytes(d.B.Size))
	if d.FilesRead {
		fmt.Fprintf(&b, "\nfiles: %s\n", d.fileCounts())
		for _, c := range d.Files {
			switch c.What {
			case Added:
				fmt.Fprintf(&b, "  + %s /%s\n", describe(c.New), c.Path+arrow(c.New))
			case Removed:
				fmt.Fprintf(&b, "  - %s /%s\n", describe(c.Old), c.Path+arrow(c.Old))
			default:
				fmt.Fprintf(&b, "  ~ %s /%s%s\n", describe(c.New), c.Path+arrow(c.New), why(c.Old, c.New))
			}
		}
	}
	_, err := io.WriteString(w, trimEnds(b.String()))
	return err
}

func packageRows(changes []PackageChange) (rows [][]string) {
	for _, c := range changes {
		switch c.What {
		case Added:
			rows = append(rows, []string{"  + " + c.Name, c.New})
		case Removed:
			rows = append(rows, []string{"  - " + c.Name, c.Old})
		case Downgraded:
			rows = append(rows, []string{"  ! " + c.Name, c.Old + " → " + c.New + " (older)"})
		default:
			rows = append(rows, []string{"  ~ " + c.Name, c.Old + " → " + c.New})
		}
	}
	return rows
}

func packageCounts(changes []PackageChange, same int) string {
	n := map[string]int{}
	for _, c := range changes {
		n[c.What]++
	}
	var parts []string
	for _, what := range []string{Added, Removed, Upgraded, Downgraded} {
		if n[what] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[what], what))
		}
	}
	return strings.Join(append(parts, fmt.Sprintf("%d the same", same)), ", ")
}

func (d *Difference) fileCounts() string {
	n := map[string]int{}
	for _, c := range d.Files {
		n[c.What]++
	}
	if len(d.Files) == 0 {
		return "the same"
	}
	return fmt.Sprintf("%d added, %d removed, %d changed", n[Added], n[Removed], n[Changed])
}

// describe formats a file like ls: kind, mode, owner, size.
func describe(f *File) string {
	sign := map[string]string{"file": "-", "dir": "d", "link": "l", "device": "c", "fifo": "p"}[f.Kind]
	if sign == "" {
		sign = "h" // a hard link whose file was not found
	}
	return fmt.Sprintf("%s%04o %d:%d %9s", sign, f.Mode, f.UID, f.GID, Bytes(f.Size))
}

func arrow(f *File) string {
	if f.Target == "" {
		return ""
	}
	return " → " + f.Target
}

// why returns what differs between two files, unless describe shows it.
func why(old, now *File) string {
	var parts []string
	if old.Kind != now.Kind {
		return fmt.Sprintf(" (was a %s)", old.Kind)
	}
	if old.Mode != now.Mode {
		parts = append(parts, fmt.Sprintf("mode was %04o", old.Mode))
	}
	if old.UID != now.UID || old.GID != now.GID {
		parts = append(parts, fmt.Sprintf("owner was %d:%d", old.UID, old.GID))
	}
	if old.Target != now.Target {
		parts = append(parts, "was → "+old.Target)
	}
	if old.SHA256 != now.SHA256 {
		parts = append(parts, "content")
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func short(digest string) string {
	if len(digest) > 19 {
		return digest[:19]
	}
	return digest
}

func right(s string) string { return fmt.Sprintf("%9s", s) }

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// trimEnds removes blanks at the ends of lines, which columns leave.
func trimEnds(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n")
}
