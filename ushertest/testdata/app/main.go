// Command app starts an App outside of a test: package testing gives a testing.B to every
// program.
package main

import (
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/ushertest"
)

func main() {
	testing.Init()
	hashing := password.HasherConfig{Params: password.Params{Memory: 19 << 10, Time: 2, Threads: 1}}
	testing.Benchmark(func(b *testing.B) {
		ushertest.New(b, ushertest.Config{Service: usher.Config{Hashing: hashing}})
	})
}
