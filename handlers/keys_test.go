package handlers_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

func TestJK06_PublicMembersOnly(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []token.Algorithm{token.ES256, token.EdDSA, token.RS256} {
		k := newKit(t, inBodies, setup{service: func(c *usher.Config) { c.Algorithm = algorithm }})
		a := k.do(get("/keys")).want(t, 200, "")
		var set struct {
			Keys []map[string]any `json:"keys"`
		}
		if err := json.Unmarshal(a.body, &set); err != nil || len(set.Keys) == 0 {
			t.Fatalf("%s: %v %s", algorithm, err, a.body)
		}
		for _, key := range set.Keys {
			for _, member := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
				if _, ok := key[member]; ok {
					t.Errorf("%s: a key has %s", algorithm, member)
				}
			}
			if key["kid"] == "" || key["alg"] != string(algorithm) {
				t.Errorf("%s: key is %v", algorithm, key)
			}
		}
	}
}

func TestKeysAreServedFromMemoryAndCached(t *testing.T) {
	t.Parallel()
	faults := newFaults()
	k := newKit(t, inBodies, setup{store: faults})
	faults.fail(errors.New("gone"))
	a := k.do(get("/keys")).want(t, 200, "")
	etag := a.header.Get("ETag")
	if !strings.HasPrefix(etag, `"`) || len(etag) < 10 {
		t.Fatalf("ETag is %q", etag)
	}
	for _, match := range []string{etag, "W/" + etag, `"x", ` + etag} {
		if a := k.do(get("/keys", "If-None-Match", match)); a.status != 304 || len(a.body) > 0 || a.header.Get("ETag") != etag {
			t.Errorf("If-None-Match %s: %d", match, a.status)
		}
	}
	k.do(get("/keys", "If-None-Match", `"x"`)).want(t, 200, "")
	for range 1000 {
		if a := k.do(get("/keys")); a.status != 200 {
			t.Fatal(a.status)
		}
	}
	if n := faults.made(); n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
	faults.fail(nil)
	if err := k.svc.RotateKeys(t.Context(), usher.KeyRotation{}); err != nil {
		t.Fatal(err)
	}
	if a := k.do(get("/keys", "If-None-Match", etag)).want(t, 200, ""); a.header.Get("ETag") == etag {
		t.Error("the ETag outlives its keys")
	}
}
