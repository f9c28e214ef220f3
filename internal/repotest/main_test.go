package repotest

import (
	"fmt"
	"os"
	"sync"
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

// logRoot repeats the change of the folder in a test. The go command caches the results of
// tests by the files that they open, and does not see what TestMain did before the tests
// began: it would look for these files in the folder of this package.
var logRoot = sync.OnceFunc(func() {
	if err := os.Chdir("."); err != nil {
		panic(err)
	}
})

// readFile returns the content of a file, by its path below the root folder.
func readFile(t *testing.T, path string) string {
	t.Helper()
	logRoot()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
