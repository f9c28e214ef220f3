package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// suite holds the settings and the results of one run.
type suite struct {
	rounds     int
	each       time.Duration // how long one benchmark runs in one round
	flood      int
	users      int
	quick      bool
	noPostgres bool
	ctx        context.Context // canceled by SIGINT and SIGTERM
	dir        string          // for temporary databases
	block      string          // the block of the page that the report replaces
	loadBefore string

	summary []string // rows of the table that README.md repeats
	goals   []string // rows of the table of goals
	notes   []string // what was measured without a goal
	tables  strings.Builder
}

// goal records a goal and whether it was met.
func (s *suite) goal(what, measured, ratio string, met bool) {
	verdict := "met"
	if !met {
		verdict = "**not met**"
	}
	s.addGoal(what, measured, ratio, verdict)
}

// goalOfRounds judges a goal by the median of the rounds. If the limit lies within
// the 95 % confidence interval of that median, the goal counts as not decided.
func (s *suite) goalOfRounds(what, measured string, rounds []float64, format string, limit float64, atMost bool) {
	low, high := interval(rounds)
	mid := median(rounds)
	ratio := fmt.Sprintf(format+" (95 %%: "+format+" – "+format+")", mid, low, high)
	if low < limit && limit < high {
		s.addGoal(what, measured, ratio, "**not decided**")
		return
	}
	s.goal(what, measured, ratio, mid == limit || mid < limit == atMost)
}

func (s *suite) addGoal(cells ...string) {
	row := "| " + strings.Join(cells, " | ") + " |"
	s.goals = append(s.goals, row)
	fmt.Fprintln(os.Stderr, "  "+row)
}

// note records a measurement that has no goal.
func (s *suite) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf("- "+format+"\n", args...))
}

func (s *suite) section(title, intro string) {
	fmt.Fprintf(&s.tables, "\n### %s\n\n%s\n\n", title, intro)
	fmt.Fprintln(os.Stderr, title)
}

// row writes one row of a table; header writes the first one.
func (s *suite) row(cells ...string) {
	fmt.Fprintf(&s.tables, "| %s |\n", strings.Join(cells, " | "))
}

func (s *suite) header(cells ...string) {
	s.row(cells...)
	fmt.Fprintf(&s.tables, "|%s\n", strings.Repeat("---|", len(cells)))
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

// nanos formats nanoseconds with a fitting unit.
func nanos[T float64 | time.Duration](n T) string {
	switch x := float64(n); {
	case x < 0:
		return "-" + nanos(-x)
	case x >= 1e6:
		return fmt.Sprintf("%.2f ms", x/1e6)
	case x >= 1e4:
		return fmt.Sprintf("%.1f µs", x/1e3)
	default:
		return fmt.Sprintf("%.0f ns", x)
	}
}

// thousands formats a count with commas.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// write replaces the text between the marks of the block in the page with the report.
func (s *suite) write(page string) error {
	beginMark, endMark := "<!-- "+s.block+": begin -->", "<!-- "+s.block+": end -->"
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, hasBegin := strings.Cut(string(text), beginMark)
	_, after, hasEnd := strings.Cut(rest, endMark)
	if !hasBegin || !hasEnd {
		return errors.New(page + " lacks the marks " + beginMark + " and " + endMark)
	}
	return os.WriteFile(page, []byte(before+beginMark+"\n\n"+s.report()+"\n"+endMark+after), 0o644)
}

func (s *suite) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s at commit %s, on %s. Load average before the run %s, after it %s (1, 5 and 15 minutes).\n",
		time.Now().UTC().Format("2006-01-02"), commit(), machineName(), s.loadBefore, loadAverage())
	if len(s.summary) > 0 {
		fmt.Fprintf(&b, "\n### Summary\n\n| a protected request with | of Usher's with a sealed cookie | CPU time | allocations |\n|---|---|---|---|\n%s\n", strings.Join(s.summary, "\n"))
	}
	fmt.Fprintf(&b, "\n### Goals\n\n| goal | measured | ratio | verdict |\n|---|---|---|---|\n%s\n", strings.Join(s.goals, "\n"))
	if len(s.notes) > 0 {
		fmt.Fprintf(&b, "\nMeasured without a goal:\n\n%s", strings.Join(s.notes, ""))
	}
	b.WriteString(s.tables.String())
	return b.String()
}

// commit names the commit that is measured.
func commit() string {
	hash, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(hash))
	if changes, err := exec.Command("git", "status", "--porcelain").Output(); err != nil || len(changes) > 0 {
		name += " with uncommitted changes"
	}
	return name
}

// machineName describes the machine that the numbers belong to.
func machineName() string {
	cpu := "unknown CPU"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				cpu = strings.Trim(name, "\t :\n")
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s, %s/%s", cpu, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
