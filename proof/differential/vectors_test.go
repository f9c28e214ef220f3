package differential

import (
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
)

// vectors is a file of Wycheproof, of whichever kind.
type vectors struct {
	TestGroups []vectorGroup `json:"testGroups"`
}

type vectorGroup struct {
	Comment string
	// Public and Private are a JWK or a JWK Set, in the files of JWS and JWK.
	Public, Private json.RawMessage
	// PublicKeyJWK and KeyJWK are the JWK in the files of one signature algorithm.
	PublicKeyJWK json.RawMessage `json:"publicKeyJwk"`
	KeyJWK       json.RawMessage `json:"keyJwk"`
	// PublicKeyDER is in the same files.
	PublicKeyDER string `json:"publicKeyDer"`
	TagSize      int
	Tests        []vector
}

type vector struct {
	ID      int `json:"tcId"`
	Comment string
	Result  string
	Flags   []string
	// JWS is a compact JWS. A few vectors are of the JSON serialization.
	JWS json.RawMessage
	// Msg and Sig, or Key and Tag of an HMAC, are hexadecimal.
	Msg, Sig, Key, Tag string
}

func readVectors(t testing.TB, name string) (v vectors) {
	t.Helper()
	text, err := fs.ReadFile(wycheproof.TestVectors, name)
	must(t, err)
	must(t, json.Unmarshal(text, &v))
	if len(v.TestGroups) == 0 {
		t.Fatalf("%s has no vectors", name)
	}
	return v
}
