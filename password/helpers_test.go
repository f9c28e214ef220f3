package password_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/usherkit/usher/password"
)

// small is the cheapest allowed setting.
var small = password.Params{Memory: 19456, Time: 2, Threads: 1}

func newHasher(t testing.TB, c password.HasherConfig) *password.Hasher {
	t.Helper()
	if c.Params == (password.Params{}) {
		c.Params = small
	}
	h, err := password.NewHasher(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func mustHash(t testing.TB, h *password.Hasher, pw string) string {
	t.Helper()
	s, err := h.Hash(t.Context(), pw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verify calls Verify and expects no error.
func verify(t testing.TB, h *password.Hasher, stored, pw string) (ok, rehash bool) {
	t.Helper()
	ok, rehash, err := h.Verify(t.Context(), stored, pw)
	if err != nil {
		t.Fatal(err)
	}
	return ok, rehash
}

func pepper(id string, b byte) password.Pepper {
	return password.Pepper{ID: id, Key: bytes.Repeat([]byte{b}, 32)}
}

// hasCode reports whether err is a *PolicyError with the given code.
func hasCode(err error, code password.Code) bool {
	var e *password.PolicyError
	return errors.As(err, &e) && e.Has(code)
}

// codes returns the codes of a *PolicyError, or none for nil.
func codes(t *testing.T, err error) []password.Code {
	t.Helper()
	if err == nil {
		return nil
	}
	var e *password.PolicyError
	if !errors.As(err, &e) {
		t.Fatalf("not a *PolicyError: %v", err)
	}
	var out []password.Code
	for _, v := range e.Violations {
		if v.Detail == "" {
			t.Errorf("%s has no detail", v.Code)
		}
		out = append(out, v.Code)
	}
	return out
}
