package openid

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

// people are the users of the real provider.
type people map[string]*storage.User

func (p people) GetUserByID(id string) *storage.User { return p[id] }
func (p people) ExampleClientID() string             { return "service" }

func (p people) GetUserByUsername(name string) *storage.User {
	for _, u := range p {
		if u.Username == name {
			return u
		}
	}
	return nil
}

// realProvider starts the example provider of zitadel/oidc with one client.
func realProvider(t *testing.T, users people, callback string) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	issuer := "http://" + s.Listener.Addr().String()
	clients := map[string]*storage.Client{clientID: storage.WebClient(clientID, clientSecret, callback)}
	store := storage.NewStorageWithClients(users, clients)
	s.Config.Handler = exampleop.SetupServer(issuer+"/", store, slog.New(slog.DiscardHandler), false)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

const clientID, clientSecret = "usher", "a secret of the client"

// liar is a provider that checks nothing and gives the answers that the test sets.
type liar struct {
	*httptest.Server
	key *rsa.PrivateKey
	// id are the claims of the ID token, info is the answer of the userinfo endpoint.
	id, info map[string]any
	redeemed int
}

func newLiar(t *testing.T) *liar {
	t.Helper()
	l := &liar{}
	var err error
	if l.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	l.Server = httptest.NewServer(mux)
	t.Cleanup(l.Close)
	answer := func(path string, body func() any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(body())
		})
	}
	answer("/.well-known/openid-configuration", func() any {
		return map[string]any{
			"issuer": l.URL, "authorization_endpoint": l.URL + "/auth", "token_endpoint": l.URL + "/token",
			"jwks_uri": l.URL + "/keys", "userinfo_endpoint": l.URL + "/userinfo",
		}
	})
	answer("/keys", func() any {
		b64 := base64.RawURLEncoding.EncodeToString
		return map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1",
			"n": b64(l.key.N.Bytes()), "e": b64(big.NewInt(int64(l.key.E)).Bytes()),
		}}}
	})
	answer("/token", func() any {
		l.redeemed++
		token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims(l.id))
		token.Header["kid"] = "1"
		signed, err := token.SignedString(l.key)
		if err != nil {
			t.Error(err)
		}
		return map[string]any{"access_token": "x", "token_type": "Bearer", "expires_in": 60, "id_token": signed}
	})
	answer("/userinfo", func() any { return l.info })
	return l
}

// says sets what the provider says about the user with that address, in the sign-in with
// that nonce.
func (l *liar) says(email string, verified any, nonce string) {
	now := time.Now()
	l.id = map[string]any{
		"iss": l.URL, "aud": clientID, "sub": "1", "nonce": nonce, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	l.info = map[string]any{"sub": "1", "email": email, "email_verified": verified}
}

var ctx = context.Background()
