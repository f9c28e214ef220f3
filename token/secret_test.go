package token_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/signing"
	"github.com/usherkit/usher/token"
)

func TestSecret_NeverPrints(t *testing.T) {
	const canary = "c4nary"
	secret := token.Secret(canary)
	key := newKey(t, token.EdDSA)
	der, err := key.MarshalPrivate()
	if err != nil {
		t.Fatal(err)
	}
	seed := der[len(der)-32:]
	leaks := func(text string) bool {
		return strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) ||
			strings.Contains(text, fmt.Sprintf("%X", canary)) || strings.Contains(text, fmt.Sprint([]byte(canary))) ||
			strings.Contains(text, strings.Trim(fmt.Sprint(seed), "[]")) || strings.Contains(text, fmt.Sprintf("%x", seed)) ||
			strings.Contains(text, base64.StdEncoding.EncodeToString(seed)[:40]) || strings.Contains(text, strings.Trim(fmt.Sprintf("%#v", seed), "[]byte{}"))
	}
	keyLike := func(v any) bool { return strings.Contains(fmt.Sprintf("%T", v), "SigningKey") }
	values := []any{
		secret, &secret, []token.Secret{secret}, map[string]token.Secret{"a": secret}, token.Pair{Session: secret, Refresh: secret},
		token.PublicKey{Key: secret}, key, *key, []*signing.Key{key}, []signing.Key{*key}, struct{ K signing.Key }{*key},
	}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%b", "%o", "%c", "%U", "%t", "%e", "%p"} {
			if verb == "%p" && !keyLike(v) {
				continue // fmt asks no method about %p; go vet stops it
			}
			if text := fmt.Sprintf(verb, v); leaks(text) {
				t.Errorf("%s of %T leaks", verb, v)
			}
		}
		if text, err := json.Marshal(v); err != nil || leaks(string(text)) {
			t.Errorf("JSON of %T leaks or fails: %v", v, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		if leaks(log.String()) {
			t.Errorf("log of %T leaks", v)
		}
	}
	text, err := secret.MarshalText()
	if err != nil || leaks(string(text)) || leaks(secret.String()) || leaks(secret.GoString()) || secret.Reveal() != canary {
		t.Error("Secret leaks, or does not reveal")
	}
}
