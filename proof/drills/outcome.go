package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// outcome is what the clients saw during a drill.
type outcome struct {
	name, what            string
	answered, unavailable int64
	slowest               time.Duration
	recovery              time.Duration // from the repair to the last request without an answer
	violations            []string      // guarantees that did not hold; only the first are kept
	lost                  int           // acknowledged changes that are gone
	accepted              int           // credentials that should have been refused
	signedOut             int           // users whose valid session was refused
	note                  string
	missing               string // why the drill cannot run on this machine
}

func (o outcome) verdict() string {
	switch {
	case o.missing != "":
		return "not run: " + o.missing
	case len(o.violations) == 0:
		return "passed"
	}
	return "FAILED"
}

const (
	tableBegin = "<!-- drills: begin -->"
	tableEnd   = "<!-- drills: end -->"
)

// tableOf returns the date, the commit and the table of the drills in Markdown.
func tableOf(outcomes []outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Run on %s at commit %s.\n\n", time.Now().UTC().Format("2006-01-02"), commit())
	b.WriteString("| drill | fault, under load | answered / 503 or no answer | longest answer | lost | wrongly accepted | wrongly signed out | recovery | result |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, o := range outcomes {
		if o.missing != "" {
			fmt.Fprintf(&b, "| %s | %s | | | | | | | %s |\n", o.name, o.what, o.verdict())
			continue
		}
		result := strings.TrimSpace(o.verdict() + ". " + o.note)
		fmt.Fprintf(&b, "| %s | %s | %d / %d | %s | %d | %d | %d | %s | %s |\n", o.name, o.what, o.answered, o.unavailable,
			seconds(o.slowest), o.lost, o.accepted, o.signedOut, seconds(o.recovery), result)
	}
	return b.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// commit names the commit that is tested.
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
