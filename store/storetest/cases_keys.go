package storetest

import (
	"fmt"
	"time"

	"github.com/usherkit/usher/store"
)

// signingKeys returns signing keys with that version.
func signingKeys(version int64) store.SigningKeys {
	return store.SigningKeys{Version: version, Keys: []store.SigningKey{
		{
			ID: fmt.Sprintf("b-%d", version), Algorithm: "ES256", Private: []byte{0, 1, 0xff}, CreatedAt: t0,
			ActiveAt: t0.Add(time.Microsecond), RetiredAt: t0.Add(time.Hour), RemovedAt: t0.Add(2 * time.Hour),
		},
		{ID: "a", Algorithm: "EdDSA", Private: []byte("sealed"), CreatedAt: t0},
	}}
}

var keyCases = []testCase{
	{"a new store has no keys, with version 0", func(e *env) {
		got, err := e.SigningKeys(e.ctx)
		e.ok(err)
		if got.Version != 0 || len(got.Keys) != 0 {
			e.Fatalf("got %+v", got)
		}
	}},
	{"replaces all keys", func(e *env) {
		for version := range int64(3) {
			fx := e.effects()
			e.ok(e.SaveSigningKeys(e.ctx, signingKeys(version+1), fx))
			got, err := e.SigningKeys(e.ctx)
			e.ok(err)
			e.wantEqual("keys", got, signingKeys(version+1))
			if !got.Keys[1].RetiredAt.IsZero() {
				e.Fatalf("the zero time came back as %v", got.Keys[1].RetiredAt)
			}
		}
	}},
	{"returns ErrConflict unless the version is one above the stored one", func(e *env) {
		save := func(version int64) error {
			return e.wantUnchanged(func() error { return e.SaveSigningKeys(e.ctx, signingKeys(version), e.effects()) })
		}
		for _, version := range []int64{-1, 0, 2} {
			e.wantErr(save(version), store.ErrConflict)
		}
		e.ok(e.SaveSigningKeys(e.ctx, signingKeys(1), store.Effects{}))
		for _, version := range []int64{0, 1, 3} {
			e.wantErr(save(version), store.ErrConflict)
		}
	}},
}
