package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// outcome is what a drill showed.
type outcome struct {
	name, what          string
	good, unavailable   int64
	slowest             time.Duration
	recovered           time.Duration
	broken              []string // promises that did not hold
	lost, letIn, thrown int      // of them: acknowledged and lost, let in, signed out
	note                string
	missing             string // why it could not run here
}

func (o outcome) held() bool { return len(o.broken) == 0 }

func (o outcome) verdict() string {
	switch {
	case o.missing != "":
		return "not run: " + o.missing
	case o.held():
		return "held"
	}
	return "BROKEN"
}

const (
	tableBegin = "<!-- drills: begin -->"
	tableEnd   = "<!-- drills: end -->"
)

// tableOf is the table of the drills in Markdown.
func tableOf(rows []outcome) string {
	var b strings.Builder
	b.WriteString("| drill | what is broken, under load | answered / 503 or no answer | longest answer | lost | let in | signed out | works again after | |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, o := range rows {
		if o.missing != "" {
			fmt.Fprintf(&b, "| %s | %s | | | | | | | not run: %s |\n", o.name, o.what, o.missing)
			continue
		}
		note := strings.TrimSpace(o.verdict() + ". " + o.note)
		fmt.Fprintf(&b, "| %s | %s | %d / %d | %s | %d | %d | %d | %s | %s |\n", o.name, o.what, o.good, o.unavailable,
			seconds(o.slowest), o.lost, o.letIn, o.thrown, seconds(o.recovered), note)
	}
	return b.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// replaceTable puts the table between its marks in a file.
func replaceTable(file, table string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(text), tableBegin)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s has no marks %s and %s", file, tableBegin, tableEnd)
	}
	return os.WriteFile(file, []byte(before+tableBegin+"\n"+table+tableEnd+after), 0o644)
}
