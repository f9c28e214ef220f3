package main

import (
	"strings"
	"testing"
)

func TestChosenParts(t *testing.T) {
	all, err := chosen("")
	if err != nil || len(all) != len(parts) {
		t.Fatalf("without -only %d of %d parts run: %v", len(all), len(parts), err)
	}
	some, err := chosen("growth,signin")
	if err != nil || len(some) != 2 || some[0].name != "signin" || some[1].name != "growth" {
		t.Fatalf("two parts, in their order, are %v: %v", some, err)
	}
	_, err = chosen("signin,sign-in")
	if err == nil {
		t.Fatal("a part that does not exist is no error")
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p.name) {
			t.Errorf("the error does not name the part %s: %v", p.name, err)
		}
	}
}
