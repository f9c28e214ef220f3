//go:build !race

package sqlite_test

// raceDetector tells that the tests run under it.
const raceDetector = false
