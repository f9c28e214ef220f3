package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	tableBegin = "<!-- attacks: begin -->"
	tableEnd   = "<!-- attacks: end -->"
)

var columns = []string{
	"attack", "sign-ins a second before", "answers to the attacker", "guesses judged", "guesses judged in a day", "honest sign-ins", "honest resets", "protected requests",
	"owner's known browser", "memory before, peak", "p99 of protected requests before, during",
}

// cells returns the row of the table.
func (o *outcome) cells() []string {
	judged := "none"
	if o.judged != "" {
		judged = fmt.Sprint(o.judgedGuesses)
	}
	signIns := share(o.signIns.passed(), o.signIns.sent())
	if n := o.neighbors.sent(); n > 0 {
		signIns += fmt.Sprintf("; unknown browsers at the attacker's address %s", share(o.neighbors.passed(), n))
	}
	return []string{
		"**" + o.name + "**: " + o.what,
		fmt.Sprintf("%.1f", o.capacity), o.attackers.String(), judged, o.day, signIns,
		share(o.resets.passed(), o.resets.sent()) + fmt.Sprintf(", %d emails", o.resetEmails),
		share(o.requests.passed(), o.requests.sent()),
		fmt.Sprintf("sign-ins %s; reset %s, %d emails", share(o.owner.passed(), o.owner.sent()), share(o.ownerResets.passed(), o.ownerResets.sent()), o.ownerEmails),
		fmt.Sprintf("%.0f MiB, %.0f MiB", o.base, o.peak),
		fmt.Sprintf("%s, %s", millis(percentile(o.calm, 0.99)), millis(percentile(o.attacked, 0.99))),
	}
}

// String returns how often each status was answered.
func (t *tally) String() string {
	var all []string
	for _, status := range slices.Sorted(maps.Keys(t.statuses)) {
		all = append(all, fmt.Sprintf("%d × %d", t.statuses[status], status))
	}
	return strings.Join(all, ", ")
}

func share(n, of int) string { return fmt.Sprintf("%d of %d", n, of) }

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }

// tableOf returns the date, the commit, the circumstances and the table in Markdown.
func tableOf(outcomes []outcome, seed uint64, overload float64, period time.Duration, loadBefore string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Run on %s at commit %s, on %d cores, %s. Each attack lasts %v, with %g requests for each sign-in that the instance can hash, seed %d. Load average before the run %s, after it %s.\n\n",
		time.Now().UTC().Format("2006-01-02"), commit(), runtime.NumCPU(), runtime.Version(), period, overload, seed, loadBefore, loadAverage())
	row := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	row(columns)
	b.WriteString(strings.Repeat("| --- ", len(columns)) + "|\n")
	for _, o := range outcomes {
		row(o.cells())
	}
	return b.String()
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// commit names the commit that is attacked.
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

// replaceTable replaces the text between the marks of a file.
func replaceTable(file, table string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, hasBegin := strings.Cut(string(text), tableBegin)
	_, after, hasEnd := strings.Cut(rest, tableEnd)
	if !hasBegin || !hasEnd {
		return fmt.Errorf("%s lacks the marks %s and %s", file, tableBegin, tableEnd)
	}
	return os.WriteFile(file, []byte(before+tableBegin+"\n"+table+tableEnd+after), 0o644)
}
