package calls

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"

	sdk "github.com/descope/go-sdk/descope"
	"github.com/descope/go-sdk/descope/client"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/descope"
	"github.com/usherkit/usher/token"
)

// Keys checks that the SDK verifies the tokens of each algorithm, and follows a new
// signing key, also if it is configured with a key of its own for these calls.
func Keys(t *testing.T) {
	for _, alg := range []token.Algorithm{token.ES256, token.EdDSA, token.RS256} {
		t.Run(string(alg), func(t *testing.T) {
			w := NewWorld(t, Mode{Store: SQLite, Config: func(c *usher.Config) { c.Algorithm = alg }})
			c := w.NewClient(client.Config{AuthManagementKey: "K2someauthkey"})
			old, err := c.Auth.Password().SignUp(ctx, Ann, nil, First, nil)
			must(t, err)
			valid := func(info *sdk.AuthenticationInfo) bool {
				ok, _, _ := c.Auth.ValidateSessionWithToken(ctx, info.SessionToken.JWT)
				refreshed, _, _ := c.Auth.RefreshSessionWithToken(ctx, info.RefreshToken.JWT)
				return ok && refreshed
			}
			if !valid(old) {
				t.Error("the tokens of the first key are not valid")
			}
			must(t, w.Service.Operator("test").RotateKeys(ctx, usher.RotateKeysParams{Compromised: true}))
			in, err := c.Auth.Password().SignIn(ctx, Ann, First, nil)
			must(t, err)
			if !valid(in) || valid(old) {
				t.Error("the SDK does not follow the new key")
			}
			must(t, c.Auth.Logout(WithTokens("", in.RefreshToken.JWT), nil))
		})
	}
}

// addressOf is the value of a context: the address of the user.
type addressOf struct{}

// forwarding sends the address of the user, as the guide shows.
type forwarding struct{}

func (forwarding) RoundTrip(r *http.Request) (*http.Response, error) {
	if address, ok := r.Context().Value(addressOf{}).(string); ok {
		r = r.Clone(r.Context())
		r.Header.Set("X-Forwarded-For", address)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// Addresses checks that the addresses that a trusted backend forwards have their own limits,
// and that those of another client have not.
func Addresses(t *testing.T) {
	for name, trusted := range map[string]bool{"trusted": true, "not trusted": false} {
		t.Run(name, func(t *testing.T) {
			w := NewWorld(t, Mode{
				Store:  SQLite,
				Config: func(c *usher.Config) { c.Limits.NetworkFailures = 3 },
				Calls: func(c *descope.Config) {
					if trusted {
						c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
					}
				},
			})
			pw := w.NewClient(client.Config{DefaultClient: &http.Client{Transport: forwarding{}}}).Auth.Password()
			_, err := pw.SignUp(ctx, Ann, nil, First, nil)
			must(t, err)
			from := func(address string) error {
				_, err := pw.SignIn(context.WithValue(ctx, addressOf{}, address), Bob, First, nil)
				return err
			}
			for range 3 {
				WantCode(t, from("203.0.113.7"), "E062902", 401)
			}
			WantCode(t, from("203.0.113.7"), "E130429", 429)
			if err := from("198.51.100.9"); trusted {
				WantCode(t, err, "E062902", 401)
			} else {
				WantCode(t, err, "E130429", 429)
			}
		})
	}
}

// CookieDomains checks that a browser keeps the cookies that the SDK sets on the host of the
// application, which is beside that of the instance, and that a domain that it would refuse
// stops the start.
func CookieDomains(t *testing.T) {
	app, err := url.Parse("https://shop.example.com/")
	must(t, err)
	for _, domain := range []string{"", "example.com"} {
		w := NewWorld(t, Mode{Store: SQLite, Calls: func(c *descope.Config) { c.CookieDomain = domain }})
		c := w.NewClient(client.Config{SessionJWTViaCookie: true})
		rw := httptest.NewRecorder()
		_, err := c.Auth.Password().SignUp(ctx, Ann, nil, First, rw)
		must(t, err)
		browser, err := cookiejar.New(nil)
		must(t, err)
		browser.SetCookies(app, rw.Result().Cookies())
		r := httptest.NewRequest(http.MethodGet, app.String(), nil)
		for _, cookie := range browser.Cookies(app) {
			r.AddCookie(cookie)
		}
		if ok, _, err := c.Auth.ValidateSessionWithRequest(r); !ok {
			t.Errorf("%q: %v, %v", domain, err, rw.Header())
		}
		if _, err := c.Auth.Me(r); err != nil {
			t.Errorf("%q: %v", domain, err)
		}
		other, _ := url.Parse("https://forum.example.com/")
		if n := len(browser.Cookies(other)); n > 0 != (domain != "") {
			t.Errorf("%q: another host gets %d cookies", domain, n)
		}
		_, err = descope.New(w.Service, descope.Config{ProjectID: Project, CookieDomain: "shop.example.com"})
		if err == nil {
			t.Error("a domain that browsers refuse does not stop the start")
		}
	}
}
