package main

import (
	"errors"
	"slices"
	"testing"
)

func TestUndo(t *testing.T) {
	var u undo
	var taken []string
	step := func(name string, err error) func() error {
		return u.add(func() error { taken = append(taken, name); return err })
	}
	failure := errors.New("it did not stop")
	step("folder", nil)
	server := step("server", nil)
	step("other server", failure)
	if err := server(); err != nil {
		t.Fatal(err)
	}
	if err := u.all(); !errors.Is(err, failure) {
		t.Errorf("the error of a step is lost: %v", err)
	}
	if want := []string{"server", "other server", "folder"}; !slices.Equal(taken, want) {
		t.Errorf("taken %v, want %v", taken, want)
	}
}
