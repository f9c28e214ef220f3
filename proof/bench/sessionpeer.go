package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/alexedwards/scs/v2"
)

const peerSCS = "alexedwards/scs v2, memory store"

// sessionPeer is a protected request with a library that keeps its sessions in a map.
func sessionPeer() (benchmark, error) {
	m := scs.New()
	m.Lifetime = 24 * time.Hour
	rec := httptest.NewRecorder()
	m.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		m.Put(r.Context(), "userID", userID)
	})).ServeHTTP(rec, newRequest())
	if len(rec.Result().Cookies()) == 0 {
		return benchmark{}, fmt.Errorf("%s: the sign-in answers %d: %s", peerSCS, rec.Code, rec.Body)
	}
	h := m.LoadAndSave(protectedHandler(func(r *http.Request) string { return m.GetString(r.Context(), "userID") }, userID))
	return benchmark{name: peerSCS, note: "one look-up in a map", run: serveRepeatedly(h, signedInBy(rec), true)}, nil
}
