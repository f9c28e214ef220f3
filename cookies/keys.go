package cookies

import (
	"errors"
	"fmt"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/usherkit/usher/internal/seal"
	"github.com/usherkit/usher/token"
)

// KeyPair seals cookies. Its keys must be independent and random.
type KeyPair struct {
	// Hash is the key of HMAC-SHA-256, 32 or 64 bytes. Required.
	Hash token.Secret
	// Block is the key of AES-256, 32 bytes. Required.
	Block token.Secret
}

// newStore returns the configured store, or one that seals everything into the
// cookie. serverSide reports whether the store keeps sessions outside of the cookie.
func newStore(c Config) (store sessions.Store, serverSide bool, err error) {
	given := 0
	for _, is := range []bool{c.Secret != "" || len(c.OldSecrets) > 0, len(c.KeyPairs) > 0, c.Store != nil} {
		if is {
			given++
		}
	}
	switch {
	case given == 0:
		return nil, false, errors.New("cookies: Config.Secret is missing: set it to at least 32 random bytes, such as usher.SecretFile makes (or set KeyPairs or Store)")
	case given > 1:
		return nil, false, errors.New("cookies: Config.Secret (with OldSecrets), KeyPairs and Store: only one may be set")
	case c.Store != nil:
		_, local := c.Store.(*sessions.CookieStore)
		return c.Store, !local, nil
	}
	pairs := c.KeyPairs
	if len(pairs) == 0 {
		pairs, err = deriveKeyPairs(c.Secret, c.OldSecrets)
	} else {
		err = checkPairs(pairs)
	}
	if err != nil {
		return nil, false, err
	}
	codecs := make([]securecookie.Codec, len(pairs))
	for i, p := range pairs {
		// The limits of securecookie are off: the tokens contain their expiry, and
		// the jar checks the size.
		codecs[i] = securecookie.New([]byte(p.Hash.Reveal()), []byte(p.Block.Reveal())).
			SetSerializer(packer{}).MaxAge(0).MaxLength(0)
	}
	return &sessions.CookieStore{Codecs: codecs, Options: &sessions.Options{Path: "/"}}, false, nil
}

func deriveKeyPairs(secret token.Secret, old []token.Secret) ([]KeyPair, error) {
	var texts []string
	seen := map[token.Secret]string{}
	for i, s := range append([]token.Secret{secret}, old...) {
		name := "Config.Secret"
		if i > 0 {
			name = fmt.Sprintf("Config.OldSecrets[%d]", i-1)
		}
		if err := seal.CheckSecret(s.Reveal()); err != nil {
			return nil, fmt.Errorf("cookies: %s %w", name, err)
		}
		if other, ok := seen[s]; ok {
			return nil, fmt.Errorf("cookies: %s and %s are the same", other, name)
		}
		seen[s] = name
		texts = append(texts, s.Reveal())
	}
	hash, err := seal.DeriveKeys(texts, "cookies/mac", 32)
	if err != nil {
		return nil, err
	}
	block, err := seal.DeriveKeys(texts, "cookies/encryption", 32)
	if err != nil {
		return nil, err
	}
	pairs := make([]KeyPair, len(texts))
	for i := range pairs {
		pairs[i] = KeyPair{token.Secret(hash[i]), token.Secret(block[i])}
	}
	return pairs, nil
}

func checkPairs(pairs []KeyPair) error {
	seen := map[token.Secret]bool{}
	for i, p := range pairs {
		switch {
		case len(p.Hash) != 32 && len(p.Hash) != 64:
			return fmt.Errorf("cookies: Config.KeyPairs[%d].Hash has %d bytes, must have 32 or 64", i, len(p.Hash))
		case len(p.Block) != 32:
			return fmt.Errorf("cookies: Config.KeyPairs[%d].Block has %d bytes, must have 32", i, len(p.Block))
		case p.Hash == p.Block || seen[p.Hash] || seen[p.Block]:
			return fmt.Errorf("cookies: Config.KeyPairs[%d] repeats a key: every key must be different", i)
		}
		for name, key := range map[string]token.Secret{"Hash": p.Hash, "Block": p.Block} {
			if err := seal.CheckRandom(key.Reveal()); err != nil {
				return fmt.Errorf("cookies: Config.KeyPairs[%d].%s %w", i, name, err)
			}
			seen[key] = true
		}
	}
	return nil
}
