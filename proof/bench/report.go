package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// suite is one run: its settings, and what it has found so far.
type suite struct {
	rounds     int
	each       time.Duration
	flood      int
	users      int
	quick      bool
	noPostgres bool
	ctx        context.Context // until the command is told to end
	dir        string          // for databases
	undo       undo

	text  strings.Builder
	goals []goal
	facts []string
	short []string          // five lines for the README
	plots map[string]string // file name to SVG
}

type goal struct {
	task, what, measured, ratio string
	verdict                     string
}

func (s *suite) goal(task, what, measured, ratio string, met bool) {
	s.judged(goal{task, what, measured, ratio, verdict(met)})
}

// goalOfRounds judges by the median of the rounds. Where the limit lies in its interval,
// the run cannot tell, and says so.
func (s *suite) goalOfRounds(task, what, measured string, rounds []float64, format string, limit float64, atMost bool) {
	low, high := interval(rounds)
	mid := median(rounds)
	g := goal{task, what, measured, fmt.Sprintf(format+" (95 %% within "+format+" – "+format+")", mid, low, high), verdict(mid <= limit == atMost || mid == limit)}
	if low < limit && limit < high {
		g.verdict = "**not decided**: the rounds disagree"
	}
	s.judged(g)
}

// interval holds the median of what the rounds are a sample of, with 95 % confidence
// and whatever their distribution: each of them lies above it as often as below (the
// sign test). Fewer than six rounds cannot tell; then it holds all of them.
func interval(rounds []float64) (low, high float64) {
	sorted := slices.Sorted(slices.Values(rounds))
	n := len(sorted)
	ways, below, all := 1.0, 0.0, math.Exp2(float64(n)) // of k of n, of at most k, of any
	cut := 0
	for k := range n / 2 {
		if below += ways; below/all > 0.025 {
			break
		}
		cut = k
		ways = ways * float64(n-k) / float64(k+1)
	}
	return sorted[cut], sorted[n-1-cut]
}

// leftOut is for a goal that was not measured, as the person who runs it asked.
func (s *suite) leftOut(task, what, why string) {
	s.judged(goal{task: task, what: what, verdict: "left out: " + why})
}

func (s *suite) judged(g goal) {
	s.goals = append(s.goals, g)
	fmt.Fprintf(os.Stderr, "  [%s] %s: %s %s: %s\n", g.task, g.what, g.measured, g.ratio, g.verdict)
}

func (s *suite) fact(format string, args ...any) {
	s.facts = append(s.facts, fmt.Sprintf(format, args...))
	fmt.Fprintf(os.Stderr, "  "+format+"\n", args...)
}

func (s *suite) section(title, intro string) {
	fmt.Fprintf(&s.text, "\n### %s\n\n%s\n\n", title, intro)
	fmt.Fprintf(os.Stderr, "%s\n", title)
}

func (s *suite) line(format string, args ...any) {
	fmt.Fprintf(&s.text, format, args...)
	fmt.Fprintf(os.Stderr, format, args...)
}

// table writes results, the ratio to one of them first.
func (s *suite) table(results []result, to result) {
	s.line("| | of %s | median | spread | allocations | bytes | |\n|---|---|---|---|---|---|---|\n", to.name)
	for _, r := range results {
		s.line("| %s | %s | %s | %s – %s | %.0f | %.0f | %s |\n", r.name, times(r.median()/to.median()), ns(r.median()), ns(r.least()), ns(r.most()), r.allocs, r.bytes, r.note)
	}
}

func times(x float64) string {
	switch {
	case x >= 10:
		return fmt.Sprintf("%.0f ×", x)
	case x >= 0.1:
		return fmt.Sprintf("%.2f ×", x)
	}
	return fmt.Sprintf("%.3f ×", x)
}

func ns(x float64) string {
	switch {
	case x < 0:
		return "-" + ns(-x)
	case x >= 1e6:
		return fmt.Sprintf("%.2f ms", x/1e6)
	case x >= 1e4:
		return fmt.Sprintf("%.1f µs", x/1e3)
	}
	return fmt.Sprintf("%.0f ns", x)
}

// thousands writes a count with commas.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**not met**"
}

const (
	beginMark = "<!-- measured: begin -->"
	endMark   = "<!-- measured: end -->"
)

// write puts the report between the marks of the page.
func (s *suite) write(path string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(page), beginMark)
	if !ok {
		return errors.New(path + " has no mark " + beginMark)
	}
	_, after, ok := strings.Cut(rest, endMark)
	if !ok {
		return errors.New(path + " has no mark " + endMark)
	}
	return os.WriteFile(path, []byte(before+beginMark+"\n\n"+s.report()+"\n"+endMark+after), 0o644)
}

func (s *suite) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s on %s. Load of the machine before the run %s, at its end %s (over 1, 5 and 15 minutes).\n",
		time.Now().UTC().Format("2006-01-02"), machine(), loadBefore, load())
	if len(s.short) > 0 {
		fmt.Fprintf(&b, "\n### In short\n\n| a protected request with | costs, of Usher's with a sealed cookie | | allocations |\n|---|---|---|---|\n%s\n", strings.Join(s.short, "\n"))
	}
	b.WriteString("\n### Goals\n\n| part | goal | measured | ratio | |\n|---|---|---|---|---|\n")
	for _, g := range s.goals {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", g.task, g.what, g.measured, g.ratio, g.verdict)
	}
	if len(s.facts) > 0 {
		b.WriteString("\nBeside the goals:\n\n")
		for _, f := range s.facts {
			fmt.Fprintf(&b, "- %s\n", f)
		}
	}
	b.WriteString(s.text.String())
	return b.String()
}

// machine is what the numbers belong to.
func machine() string {
	return fmt.Sprintf("%s, %d cores, %s, %s/%s", cpuName(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

var loadBefore = load()

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

func cpuName() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.Trim(name, "\t :\n")
		}
	}
	return runtime.GOARCH
}
