// Command cheap uses the hash for tests outside of a test.
package main

import "github.com/usherkit/usher/ushertest"

func main() { ushertest.Hashing() }
