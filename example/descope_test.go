package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/guidetest"
)

const managementKey = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978"

// The commands of the guide for users of Descope's SDKs have the answers that it shows.
func TestDE32_TheCommandsOfTheGuideFromDescope(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ports := guidetest.Ports(t, "localhost:8080")
	address := strings.NewReplacer(ports...).Replace("localhost:8080")
	replace := append(ports, "go run ./example", path+" -addr "+address, `"$DESCOPE_MANAGEMENT_KEY"`+"\n", `"$DESCOPE_MANAGEMENT_KEY" &`+"\n")
	guidetest.Shell{Dir: t.TempDir(), Replace: replace}.Run(t, guidetest.Blocks(t, "docs/from-descope.md", "sh", "console"))
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
