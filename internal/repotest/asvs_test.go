package repotest

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// asvsSections has the number of requirements in each section of OWASP ASVS 5.0.0 that
// docs/security.md answers.
var asvsSections = map[string]int{
	"3.1": 1, "3.2": 3, "3.3": 5, "3.4": 8, "3.5": 8, "3.6": 1, "3.7": 5,
	"6.1": 3, "6.2": 12, "6.3": 8, "6.4": 6, "6.5": 8, "6.6": 4, "6.7": 2, "6.8": 4,
	"7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2,
	"9.1": 3, "9.2": 4,
	"11.1": 4, "11.2": 5, "11.3": 5, "11.4": 4, "11.5": 2, "11.6": 2, "11.7": 2,
	"16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 4,
}

// asvsRow is a row of the tables for OWASP ASVS.
type asvsRow struct {
	id, state, remark string
	proofs            []string // requirement ids and names of tests
	line              string
}

// asvsLine is the form of a row: id, level, demand, state with an optional remark, proofs.
var asvsLine = regexp.MustCompile(`(?m)^\| (\d+\.\d+\.\d+) \| [123] \| [^|]+ \| (met|program's part|not applicable|not met)(?:: ([^|]+))? \| ([^|]*)\|$`)

// asvsRows returns the rows of docs/security.md, in their order.
func asvsRows(t *testing.T) (all []asvsRow) {
	t.Helper()
	for _, m := range asvsLine.FindAllStringSubmatch(readFile(t, security), -1) {
		row := asvsRow{id: m[1], state: m[2], remark: m[3], line: m[0]}
		for proof := range strings.SplitSeq(m[4], ",") {
			if proof = strings.Trim(proof, " `"); proof != "" {
				row.proofs = append(row.proofs, proof)
			}
		}
		all = append(all, row)
	}
	return all
}

// No requirement of a chapter is missing, each has a state, and a proof that exists or a
// reason.
func TestEachRequirementOfASVSHasAState(t *testing.T) {
	t.Parallel()
	tests, _ := moduleTests(t)
	proofs := map[string]bool{}
	for _, r := range requirements(t) {
		proofs[r.id] = true
	}
	for name := range tests {
		proofs[name] = true
	}
	missing := map[string]bool{}
	for section, n := range asvsSections {
		for i := range n {
			missing[section+"."+strconv.Itoa(i+1)] = true
		}
	}
	rows := asvsRows(t)
	for _, row := range rows {
		if !missing[row.id] {
			t.Errorf("%s: %s has two rows, or ASVS 5.0.0 does not have it", security, row.id)
		}
		delete(missing, row.id)
		for _, proof := range row.proofs {
			if !proofs[proof] {
				t.Errorf("%s, %s names %s, which is neither a requirement nor a test", security, row.id, proof)
			}
		}
		if row.state == "met" && len(row.proofs) == 0 && !strings.Contains(row.remark, "[") && !strings.Contains(row.remark, "SECURITY.md") {
			t.Errorf("%s: %s is met and names no proof", security, row.id)
		}
		if row.state != "met" && row.remark == "" {
			t.Errorf("%s: %s is %q and has no reason", security, row.id, row.state)
		}
	}
	for id := range missing {
		t.Errorf("%s has no row for ASVS %s, or not in the expected form", security, id)
	}
	if n := len(regexp.MustCompile(`(?m)^\| \d+\.\d+\.\d+ \|`).FindAllString(readFile(t, security), -1)); n != len(rows) {
		t.Errorf("%s has %d rows for ASVS, of which %d have the expected form", security, n, len(rows))
	}
}

// Each requirement that cites ASVS stands in the rows that it cites. With -update it is
// added to them, before parallel tests rewrite what this one reads.
func TestEachRequirementStandsInTheRowsOfASVS(t *testing.T) {
	page, all := readFile(t, security), requirements(t)
	for _, row := range asvsRows(t) {
		line := row.line
		for _, r := range all {
			if !slices.Contains(asvsCited(r.sources), row.id) || slices.Contains(row.proofs, r.id) {
				continue
			}
			if !*update {
				t.Errorf("%s: %s cites ASVS %s, and its row does not name it: run this test with -update", security, r.id, row.id)
			}
			before := strings.TrimRight(strings.TrimSuffix(line, "|"), " ")
			if !strings.HasSuffix(before, "|") {
				before += ","
			}
			line = before + " " + r.id + " |"
		}
		page = strings.Replace(page, row.line+"\n", line+"\n", 1)
	}
	if *update {
		if err := os.WriteFile(security, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// asvsCited returns the requirements of ASVS that sources name, such as
// "NIST 3.2.2; ASVS 16.3.1–16.3.3, 6.1.1".
func asvsCited(sources string) (ids []string) {
	span := regexp.MustCompile(`^(\d+\.\d+)\.(\d+)(?:–\d+\.\d+\.(\d+))?$`)
	for source := range strings.SplitSeq(sources, "; ") {
		list, ok := strings.CutPrefix(source, "ASVS ")
		if !ok {
			continue
		}
		for one := range strings.SplitSeq(list, ", ") {
			m := span.FindStringSubmatch(one)
			if m == nil {
				continue // an appendix
			}
			first, _ := strconv.Atoi(m[2])
			last, err := strconv.Atoi(m[3])
			if err != nil {
				last = first
			}
			for i := first; i <= last; i++ {
				ids = append(ids, fmt.Sprintf("%s.%d", m[1], i))
			}
		}
	}
	return ids
}
