package token_test

import (
	"crypto/elliptic"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usherkit/usher/token"
)

// malleate returns the same token with the other signature that ECDSA accepts: s' = n − s.
func malleate(t testing.TB, raw string) string {
	t.Helper()
	dot := strings.LastIndexByte(raw, '.')
	sig, err := base64.RawURLEncoding.DecodeString(raw[dot+1:])
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(sig[32:])
	new(big.Int).Sub(elliptic.P256().Params().N, s).FillBytes(sig[32:])
	return raw[:dot+1] + base64.RawURLEncoding.EncodeToString(sig)
}

func TestRevocations_AddPruneLen(t *testing.T) {
	r := token.NewRevocations()
	if r.Revoked("") || r.Revoked("a") || r.Len() != 0 {
		t.Error("an empty list revokes")
	}
	r.Add("", start.Add(time.Hour))
	r.Add("a", start.Add(time.Hour))
	r.Add("a", start.Add(2*time.Hour))
	r.Add("a", start) // the later instant holds
	r.Add("b", start.Add(time.Hour))
	if r.Len() != 2 || !r.Revoked("a") || !r.Revoked("b") || r.Revoked("c") || r.Revoked("") {
		t.Errorf("%d entries", r.Len())
	}
	r.Prune(start.Add(time.Hour - 1))
	if r.Len() != 2 {
		t.Error("pruned too early")
	}
	r.Prune(start.Add(time.Hour))
	if r.Len() != 1 || r.Revoked("b") || !r.Revoked("a") {
		t.Error("not pruned at its instant, or with the wrong one")
	}
	r.Prune(start.Add(2 * time.Hour))
	if r.Len() != 0 || r.Revoked("a") {
		t.Error("not empty in the end")
	}
}

func TestRevocations_ManyAtOnce(t *testing.T) {
	r := token.NewRevocations()
	const writers, each = 8, 1000
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprint(n, "-", i)
				r.Add(id, start.Add(time.Hour))
				r.Add("shared", start.Add(time.Hour))
				if !r.Revoked(id) || !r.Revoked("shared") {
					t.Error("not seen by its writer")
				}
			}
		})
		wg.Go(func() {
			for range 20 {
				r.Prune(start)
			}
		})
	}
	wg.Wait()
	if r.Len() != writers*each+1 {
		t.Errorf("%d entries, want %d", r.Len(), writers*each+1)
	}
}
