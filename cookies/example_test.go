package cookies_test

import (
	"fmt"
	"log"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/token"
)

func Example() {
	jar, err := cookies.New(cookies.Config{Secret: "at least 32 random bytes, from a file"})
	if err != nil {
		log.Fatal(err)
	}

	// After a sign-in. The tokens are those of usher.Authentication.
	answer := httptest.NewRecorder()
	err = jar.SetTokens(answer, httptest.NewRequest("POST", "/signin", nil), token.Pair{
		Session: "header.payload.signature", SessionExpiresAt: time.Now().Add(10 * time.Minute),
		Refresh: "another.payload.signature", RefreshExpiresAt: time.Now().Add(14 * 24 * time.Hour),
	})
	if err != nil {
		log.Fatal(err)
	}
	sealed := answer.Result().Cookies()[0]
	_, attributes, _ := strings.Cut(sealed.Raw, "Secure")
	fmt.Println(sealed.Name, "…", attributes)

	// The next request.
	next := httptest.NewRequest("GET", "/", nil)
	next.AddCookie(sealed)
	pair, present := jar.Tokens(next)
	fmt.Println(pair.Session, pair.Session.Reveal(), present)
	// Output:
	// __Host-session … ; SameSite=Lax
	// [redacted] header.payload.signature true
}
