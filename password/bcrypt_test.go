package password_test

import (
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/usherkit/usher/password"
)

func TestHA07_BcryptBecomesAHashOfTheWholePassword(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	long := strings.Repeat("0123456789", 8)
	theirs, err := bcrypt.GenerateFromPassword([]byte(long[:72]), bcrypt.MinCost+1) // what other systems store for 80 characters
	if err != nil {
		t.Fatal(err)
	}
	stored, err := h.Import(t.Context(), password.Foreign{Bcrypt: &password.Bcrypt{Hash: string(theirs)}})
	if err != nil {
		t.Fatal(err)
	}
	if ok, rehash := verify(t, h, stored, long); !ok || !rehash {
		t.Fatalf("%v, %v, want a rehash", ok, rehash)
	}
	stored = mustHash(t, h, long)
	if ok, _ := verify(t, h, stored, long); !ok {
		t.Error("the whole password does not verify")
	}
	if ok, _ := verify(t, h, stored, long[:72]); ok {
		t.Error("the first 72 characters verify")
	}
}

// Django's bcrypt_sha256 covers the whole password.
func TestHA07_DjangoBcryptSHA256(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	// hex(SHA-256) of the password, made with Python's hashlib.
	const digest = "d7458de4f20172f84efe99afb44982b889388853e740346b356d09e29797094b"
	theirs, err := bcrypt.GenerateFromPassword([]byte(digest), bcrypt.MinCost+1)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := h.Import(t.Context(), password.Foreign{Django: &password.Django{Hash: "bcrypt_sha256$" + string(theirs)}})
	if err != nil {
		t.Fatal(err)
	}
	if ok, rehash := verify(t, h, stored, "vast otter sings low"); !ok || !rehash {
		t.Errorf("%v, %v, want a rehash", ok, rehash)
	}
	if ok, _ := verify(t, h, stored, digest); ok {
		t.Error("the digest is accepted as the password")
	}
}
