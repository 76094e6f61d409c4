package servicelog

import (
	"slices"

	"nix2gpu/cells"
)

// Labels is how the labels of a project look on a terminal: padded, so that lines begin
// in the same column, and each in a colour of its own while there are enough. With a
// nil *Labels they are not padded, and their letters decide on their colours.
type Labels struct {
	width  int
	colors map[string]string
}

// widest is the length of the longest label for which others are padded. A longer one
// only moves its own text.
const widest = 24

// labelColors are the colours of labels, as SGR codes. Red and yellow are missing: they
// mean that something is wrong.
var labelColors = [...]string{"36", "32", "35", "34", "96", "92", "95", "94", "38;5;73", "38;5;108", "38;5;147", "38;5;180"}

// NewLabels returns how labels look together. They get their colours in alphabetical
// order, so that each keeps its own from run to run.
func NewLabels(all []string) *Labels {
	all = slices.Compact(slices.Sorted(slices.Values(all)))
	l := &Labels{width: len(Self), colors: make(map[string]string, len(all))}
	for i, label := range all {
		l.colors[label] = labelColors[i%len(labelColors)]
		if n := cells.Of(label); n <= widest {
			l.width = max(l.width, n)
		}
	}
	return l
}

// color returns the SGR code of a label.
func (l *Labels) color(label string) string {
	if label == Self {
		return "1"
	}
	if l != nil && l.colors[label] != "" {
		return l.colors[label]
	}
	sum := uint32(2166136261)
	for i := range len(label) {
		sum = (sum ^ uint32(label[i])) * 16777619
	}
	return labelColors[sum%uint32(len(labelColors))]
}

// padding returns how many spaces follow a label, beside the one that always does.
func (l *Labels) padding(label string) int {
	if l == nil {
		return 0
	}
	return max(0, l.width-cells.Of(label))
}

// A Tone is the severity of a line of ours.
type Tone int

// The tones. On a terminal, a warning is yellow and a failure red.
const (
	Plain Tone = iota
	Warning
	Failure
)

// tint returns text in the colour of its tone.
func (s style) tint(text string, tone Tone) string {
	color := [...]string{Warning: "33", Failure: "31"}[tone]
	if s.labels == nil || s.color != ColorLabels || s.format != Text || color == "" {
		return text
	}
	return "\x1b[" + color + "m" + text
}

// A style is how lines are shown.
type style struct {
	format Format
	color  Color
	labels *Labels
}

func (o *Options) style() style { return style{o.Format, o.Color, o.Labels} }
