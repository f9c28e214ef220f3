package password_test

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/usherkit/usher/password"
)

func TestHA08_FastHashesAreWrapped(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	n := 0
	for _, tt := range foreignVectors {
		var bare string
		switch {
		case tt.f.MD5 != nil:
			bare = tt.f.MD5.Hash
		case tt.f.SHA != nil:
			bare = tt.f.SHA.Hash
		case tt.f.PHPass != nil:
			bare = tt.f.PHPass.Hash[max(0, len(tt.f.PHPass.Hash)-22):]
		default:
			continue
		}
		n++
		stored, err := h.Import(t.Context(), tt.f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(stored), strings.ToLower(bare)) {
			t.Errorf("%s: the bare digest is in %q", tt.name, stored)
		}
		if raw, err := hex.DecodeString(bare); err == nil && strings.Contains(stored, base64.RawStdEncoding.EncodeToString(raw)) {
			t.Errorf("%s: the bare digest is in %q", tt.name, stored)
		}
		if !strings.Contains(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Errorf("%s: not wrapped: %q", tt.name, stored)
		}
		// An attacker who steals the old table cannot sign in with its values.
		if ok, _ := verify(t, h, stored, bare); ok {
			t.Errorf("%s: the digest itself signs in", tt.name)
		}
	}
	if h.Count() != uint64(2*n) || n < 8 {
		t.Errorf("%d computations for %d imports and checks", h.Count(), n)
	}
}
