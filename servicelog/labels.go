package servicelog

import (
	"slices"
	"unicode/utf8"
)

// Labels is how the labels of a project stand at a terminal: what follows them begins
// in one column, and each has a colour of its own, as far as there are different ones.
// A nil *Labels leaves them as they are, with a colour by their letters.
type Labels struct {
	width  int
	colors map[string]string
}

// widest is the longest label that others are padded for: a longer one pushes its
// own text aside, and not everybody's.
const widest = 24

// labelColors are those of labels. Red and yellow are missing: they say that
// something is wrong.
var labelColors = [...]string{"36", "32", "35", "34", "96", "92", "95", "94", "38;5;73", "38;5;108", "38;5;147", "38;5;180"}

// NewLabels arranges labels. Their colours are given out by the alphabet.
func NewLabels(all []string) *Labels {
	all = slices.Compact(slices.Sorted(slices.Values(all)))
	l := &Labels{width: len(Self), colors: make(map[string]string, len(all))}
	for i, label := range all {
		l.colors[label] = labelColors[i%len(labelColors)]
		if n := utf8.RuneCountInString(label); n <= widest {
			l.width = max(l.width, n)
		}
	}
	return l
}

// color is that of a label.
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

// padding is how many blanks come behind a label, beside the one that always does.
func (l *Labels) padding(label string) int {
	if l == nil {
		return 0
	}
	return max(0, l.width-utf8.RuneCountInString(label))
}

// A Tone says how a line of ours is meant.
type Tone int

// The tones. They are seen where labels stand as at a terminal: a warning is yellow, a
// failure red.
const (
	Plain Tone = iota
	Warning
	Failure
)

// tint is the text in the colour of its tone.
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
