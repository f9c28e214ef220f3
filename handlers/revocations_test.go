package handlers_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// list asks for the list of ended sessions.
func (k *kit) revocations(header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/revocations", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	k.h.ServeHTTP(w, r)
	return w
}

func TestSE06_TheListOfEndedSessionsIsPublished(t *testing.T) {
	t.Parallel()
	faults := newFaults()
	k := newKit(t, inBodies, setup{store: faults})
	a := k.signUp(ann)
	k.signUp(bob)
	if got := k.revocations(); got.Code != 200 || got.Body.String() != `{"revocations":[]}` {
		t.Fatalf("nobody has signed out: %d %s", got.Code, got.Body)
	}
	sid := k.do(k.as(a, get("/me"))).want(t, 200, "").text("session.id")
	k.do(k.as(a, post("/signout", ""))).want(t, 200, "")
	time.Sleep(150 * time.Millisecond) // a list is handed out for a tenth of a second

	faults.fail(errors.New("gone")) // from here on without the store
	got := k.revocations()
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
	if left := time.Unix(list.Revocations[0].Until, 0).Sub(k.clock.now()); left < 10*time.Minute || left > 2*time.Hour {
		t.Errorf("the entry stays for %s", left)
	}
	etag := got.Header().Get("ETag")
	if got.Header().Get("Cache-Control") != "public, max-age=1" || len(etag) < 10 {
		t.Errorf("headers are %v", got.Header())
	}
	if again := k.revocations("If-None-Match", etag); again.Code != 304 || again.Body.Len() != 0 {
		t.Errorf("If-None-Match: %d", again.Code)
	}
	if checked := k.revocations("Authorization", "Bearer agreed"); checked.Header().Get("Cache-Control") != "private, max-age=1" {
		t.Error("what stands behind a check may be kept by a shared cache")
	}
}

// The route is complete when it is mounted alone, behind a check of one's own.
func TestSE06_TheListMayBeKeptFromStrangers(t *testing.T) {
	t.Parallel()
	k := newKit(t, inBodies, setup{})
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", k.h))
	mux.Handle("/auth/revocations", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer agreed" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		k.h.Revocations(w, r)
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
	if body := k.svc.Revocations(); !slices.Equal(body, []byte(`{"revocations":[]}`)) {
		t.Errorf("the list is %s", body)
	}
}
