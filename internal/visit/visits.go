package visit

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/middleware"
)

// ErrNotSignedIn means that the request has no session.
var ErrNotSignedIn = errors.New("handlers: no session")

// Visits reads the client, the session and the cookies of the requests to one mount.
type Visits struct {
	Service *usher.Service
	// Cookies keeps the tokens in the browser. Nil means that the tokens are in
	// the bodies of answers.
	Cookies *cookies.Jar
	// Origins checks the requests that are authenticated by a cookie.
	Origins *middleware.CrossOrigin
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// EndWithBrowser makes new sessions end with the browser, unless the sign-in says
	// otherwise.
	EndWithBrowser bool
	Logger         *slog.Logger

	proxyWarning sync.Once
}
