package handlers_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/token"
)

func TestJK06_PublicMembersOnly(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []token.Algorithm{token.ES256, token.EdDSA, token.RS256} {
		k := NewKit(t, InBodies, Setup{Service: func(c *usher.Config) { c.Algorithm = algorithm }})
		a := k.Do(Get("/keys")).Want(t, 200, "")
		var set struct {
			Keys []map[string]any `json:"keys"`
		}
		if err := json.Unmarshal(a.Body, &set); err != nil || len(set.Keys) == 0 {
			t.Fatalf("%s: %v %s", algorithm, err, a.Body)
		}
		for _, key := range set.Keys {
			for _, member := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
				if _, ok := key[member]; ok {
					t.Errorf("%s: a key has %s", algorithm, member)
				}
			}
			if key["kid"] == "" || key["alg"] != string(algorithm) || key["use"] != "sig" {
				t.Errorf("%s: key is %v", algorithm, key)
			}
		}
	}
}

func TestKeysAreServedFromMemoryAndCached(t *testing.T) {
	t.Parallel()
	faults := NewFaults()
	k := NewKit(t, InBodies, Setup{Store: faults})
	faults.Fail(errors.New("gone"))
	a := k.Do(Get("/keys")).Want(t, 200, "")
	etag := a.Header.Get("ETag")
	if !strings.HasPrefix(etag, `"`) || len(etag) < 10 {
		t.Fatalf("ETag is %q", etag)
	}
	for _, match := range []string{etag, "W/" + etag, `"x", ` + etag} {
		if a := k.Do(Get("/keys", "If-None-Match", match)); a.Status != 304 || len(a.Body) > 0 || a.Header.Get("ETag") != etag {
			t.Errorf("If-None-Match %s: %d", match, a.Status)
		}
	}
	k.Do(Get("/keys", "If-None-Match", `"x"`)).Want(t, 200, "")
	for range 1000 {
		if a := k.Do(Get("/keys")); a.Status != 200 {
			t.Fatal(a.Status)
		}
	}
	if n := faults.CallCount(); n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
	faults.Fail(nil)
	if err := k.Service.Operator("test").RotateKeys(t.Context(), usher.RotateKeysParams{}); err != nil {
		t.Fatal(err)
	}
	if a := k.Do(Get("/keys", "If-None-Match", etag)).Want(t, 200, ""); a.Header.Get("ETag") == etag {
		t.Error("the ETag outlives its keys")
	}
}

func TestSE06_TheListOfEndedSessionsIsPublished(t *testing.T) {
	t.Parallel()
	faults := NewFaults()
	k := NewKit(t, InBodies, Setup{Store: faults})
	a := k.SignUp(Ann)
	k.SignUp(Bob)
	if got := k.Revocations(); got.Code != 200 || got.Body.String() != `{"revocations":[]}` {
		t.Fatalf("the list of no revocations: %d %s", got.Code, got.Body)
	}
	sid := k.Do(k.As(a, Get("/me"))).Want(t, 200, "").Text("session.id")
	k.Do(k.As(a, Post("/signout", ""))).Want(t, 200, "")
	time.Sleep(150 * time.Millisecond) // a list is reused for a tenth of a second

	faults.Fail(errors.New("gone")) // the rest needs no store
	got := k.Revocations()
	var list struct {
		Revocations []struct {
			SID   string
			Until int64
		}
	}
	if err := json.Unmarshal(got.Body.Bytes(), &list); err != nil || got.Code != 200 {
		t.Fatalf("%d %v", got.Code, err)
	}
	if len(list.Revocations) != 1 || list.Revocations[0].SID != sid {
		t.Fatalf("the list is %s, want %s alone", got.Body, sid)
	}
	if left := time.Unix(list.Revocations[0].Until, 0).Sub(k.Clock.Now()); left < 10*time.Minute || left > 2*time.Hour {
		t.Errorf("the entry stays for %s", left)
	}
	etag := got.Header().Get("ETag")
	if got.Header().Get("Cache-Control") != "no-store" || len(etag) < 10 {
		t.Errorf("headers are %v", got.Header())
	}
	if again := k.Revocations("If-None-Match", etag); again.Code != 304 || again.Body.Len() != 0 {
		t.Errorf("If-None-Match: %d", again.Code)
	}
}

// The check of the program may go by anything: a bearer token, a cookie, an address, a
// client certificate. So no cache may answer in its place.
func TestSE06_NoCacheAnswersInPlaceOfTheCheckBeforeTheList(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	for _, header := range [][]string{nil, {"Authorization", "Bearer agreed"}, {"Cookie", "reader=agreed"}} {
		got := k.Revocations(header...)
		if got.Code != 200 || got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("with %q: %d, Cache-Control %q", header, got.Code, got.Header().Get("Cache-Control"))
		}
		again := k.Revocations(append(header, "If-None-Match", got.Header().Get("ETag"))...)
		if again.Code != 304 || again.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("with %q and the ETag: %d, Cache-Control %q", header, again.Code, again.Header().Get("Cache-Control"))
		}
	}
}

// A cache keeps the set for less than a verifier has to learn of a new key, and less than
// a removed key may stay known.
func TestJK12_TheKeySetIsCachedForShorterThanAKeyIsPublishedAhead(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	control := k.Do(Get("/keys")).Want(t, 200, "").Header.Get("Cache-Control")
	seconds, err := strconv.Atoi(strings.TrimPrefix(control, "public, max-age="))
	if maxAge := time.Duration(seconds) * time.Second; err != nil || maxAge > time.Minute {
		t.Errorf("Cache-Control is %q, want at most a minute", control)
	}
	for ahead, warns := range map[time.Duration]bool{0: false, 5 * time.Minute: false, 5*time.Minute - 1: true} {
		var log bytes.Buffer
		NewKit(t, InBodies, Setup{Service: func(c *usher.Config) {
			c.Rotation.PublishAhead, c.Logger = ahead, slog.New(slog.NewTextHandler(&log, nil))
		}})
		if got := strings.Contains(log.String(), "Rotation.PublishAhead"); got != warns {
			t.Errorf("PublishAhead of %s: warned is %v, log is %s", ahead, got, &log)
		}
	}
}

// The route works when it is mounted alone behind a check of the program.
func TestSE06_TheListCanBeProtected(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InBodies, Setup{})
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", k.Handlers))
	mux.Handle("/auth/revocations", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer agreed" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		k.Handlers.Revocations(w, r)
	}))
	for header, want := range map[string]int{"": 401, "Bearer other": 401, "Bearer agreed": 200} {
		r := httptest.NewRequest(http.MethodGet, "/auth/revocations", nil)
		r.Header.Set("Authorization", header)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d, want %d", header, w.Code, want)
		}
	}
	if body := k.Service.Revocations(); !slices.Equal(body, []byte(`{"revocations":[]}`)) {
		t.Errorf("the list is %s", body)
	}
}
