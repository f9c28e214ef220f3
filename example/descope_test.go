package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

const managementKey = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978"

// The commands of the guide for users of Descope's SDKs have the answers that it shows.
func TestDE32_TheCommandsOfTheGuideFromDescope(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	text, err := os.ReadFile("../docs/from-descope.md")
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, t.TempDir(), "-project", "P2shop", "-management-key", managementKey)
	type step struct{ command, want string }
	var steps []step
	for _, block := range regexp.MustCompile("(?ms)^```console\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				steps = append(steps, step{command: strings.ReplaceAll(command, "http://localhost:8080", p.url)})
				continue
			}
			steps[len(steps)-1].want += line
		}
	}
	const mark = "=====next====="
	script := "DESCOPE_MANAGEMENT_KEY=" + managementKey + "\n"
	for _, s := range steps {
		script += s.command + "echo " + mark + "\n"
	}
	out, err := exec.Command("bash", "-e", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.Split(string(out), mark+"\n")
	if len(steps) < 20 || len(got) != len(steps)+1 {
		t.Fatalf("%d steps, %d answers\n%s", len(steps), len(got)-1, out)
	}
	for i, s := range steps {
		want := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(s.want)), "…", ".*")
		if !regexp.MustCompile("^" + want + "$").MatchString(strings.TrimSpace(got[i])) {
			t.Errorf("$ %sgot  %s\nwant %s", s.command, strings.TrimSpace(got[i]), strings.TrimSpace(s.want))
		}
	}
}

// A management key without a project, and a key that is too short, stop the start.
func TestTheFlagsOfDescope(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"-management-key needs -project": {"-management-key", managementKey},
		"Config.ManagementKey must":      {"-project", "P2shop", "-management-key", "short"},
		"Config.ProjectID must":          {"-project", "P2:shop"},
	} {
		c := exec.Command(path, append([]string{"-addr", "127.0.0.1:0"}, args...)...)
		c.Dir = t.TempDir()
		if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}
