//go:build !race

package postgres_test

// raceDetector is whether the tests run with the race detector.
const raceDetector = false
