package password_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/usherkit/usher/password"
)

func TestHA04_Pepper(t *testing.T) {
	const pw = "vast otter sings low"
	plain := newHasher(t, password.HasherConfig{})
	first := newHasher(t, password.HasherConfig{Peppers: []password.Pepper{pepper("a", 1)}})
	rotated := newHasher(t, password.HasherConfig{Peppers: []password.Pepper{pepper("b", 2), pepper("a", 1)}})
	sameID := newHasher(t, password.HasherConfig{Peppers: []password.Pepper{pepper("a", 3)}})
	other := newHasher(t, password.HasherConfig{Peppers: []password.Pepper{pepper("c", 3)}})

	stored := mustHash(t, first, pw)
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1,keyid=a$") {
		t.Errorf("stored %q", stored)
	}
	if ok, rehash := verify(t, first, stored, pw); !ok || rehash {
		t.Errorf("same pepper: %v, %v", ok, rehash)
	}
	if ok, rehash := verify(t, rotated, stored, pw); !ok || !rehash {
		t.Errorf("rotated: %v, %v, want a rehash", ok, rehash)
	}
	if again := mustHash(t, rotated, pw); !strings.Contains(again, ",keyid=b$") {
		t.Errorf("rotated: stored %q", again)
	}
	if ok, _ := verify(t, sameID, stored, pw); ok {
		t.Error("another key of the same ID verified")
	}
	for name, h := range map[string]*password.Hasher{"other pepper": other, "no pepper": plain} {
		before := h.Count()
		ok, _, err := h.Verify(t.Context(), stored, pw)
		if ok || !errors.Is(err, password.ErrUnknownPepper) || !errors.Is(err, password.ErrDamagedHash) {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
		if h.Count() != before+1 {
			t.Errorf("%s: %d computations, want 1", name, h.Count()-before)
		}
	}
	if ok, rehash := verify(t, first, mustHash(t, plain, pw), pw); !ok || !rehash {
		t.Errorf("made before the pepper: %v, %v, want a rehash", ok, rehash)
	}
	// Removing the ID must not make the hash verify without the key.
	if ok, _ := verify(t, plain, strings.Replace(stored, ",keyid=a", "", 1), pw); ok {
		t.Error("verified without the pepper")
	}
}

func TestCF02_NothingPrintsAPepper(t *testing.T) {
	const canary = "CANARY-0123456789-CANARY-0123456789"
	config := password.HasherConfig{Params: small, Peppers: []password.Pepper{{ID: "p1", Key: []byte(canary)}}}
	h := newHasher(t, config)
	firebase := password.Firebase{SignerKey: []byte(canary)}
	foreign := password.Foreign{Bcrypt: &password.Bcrypt{Hash: canary}}
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	text := slog.New(slog.NewTextHandler(&out, nil))
	for _, v := range []any{config, &config, config.Peppers[0], config.Peppers, h, firebase, foreign} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb, v)
		}
		log.Info("x", "v", v)
		text.Info("x", "v", v)
	}
	for _, v := range []any{config, config.Peppers[0], h} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		out.Write(b)
	}
	s := out.String()
	for _, secret := range []string{
		"CANARY", fmt.Sprintf("%x", canary[:8]), base64.StdEncoding.EncodeToString([]byte(canary))[:20],
		strings.Trim(fmt.Sprint([]byte(canary[:8])), "[]"),
	} {
		if strings.Contains(s, secret) {
			t.Errorf("%q is printed", secret)
		}
	}
	if !strings.Contains(s, "p1") {
		t.Error("the ID is not printed")
	}
}
