package repotest

import (
	"fmt"
	"os"
	"testing"
)

// TestMain runs every test in the root folder of the module.
func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
