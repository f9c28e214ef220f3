package visit

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

// ErrNotSignedIn means that the request has no session.
var ErrNotSignedIn = errors.New("handlers: no session")

// Cookies keeps tokens in the browser. It is handlers.Cookies.
type Cookies interface {
	middleware.TokenCookies
	Device(r *http.Request) token.Secret
	SetDevice(w http.ResponseWriter, r *http.Request, device token.Secret) error
}

// Visits looks at the requests of one mount.
type Visits struct {
	Service *usher.Service
	// Cookies keeps the tokens in the browser. Nil means that the tokens are in
	// the bodies of answers.
	Cookies Cookies
	// Origins checks the requests that are authenticated by a cookie.
	Origins *middleware.CrossOrigin
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	Logger         *slog.Logger
}
