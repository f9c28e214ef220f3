//go:build race

package sqlite_test

// raceDetector is whether the tests run with the race detector.
const raceDetector = true
