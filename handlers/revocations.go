package handlers

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Revocations is GET /revocations: which sessions ended before their tokens
// did, for programs that hold the JWK Set alone and follow the list
// (middleware.RemoteConfig.RevocationsURL). 200 with
//
//	{"revocations":[{"sid":"…","until":1764000000}]}
//
// which caches may keep for a second. The ids open nothing, so everybody may
// read them; a program that wants to know who does mounts the route behind a
// check of its own:
//
//	mux.Handle("/auth/revocations", check(http.HandlerFunc(h.Revocations)))
func (h *Handlers) Revocations(w http.ResponseWriter, r *http.Request) {
	h.alone.revocations.ServeHTTP(w, r)
}

// revocationsFor is how long a list is handed out before it is made again.
const revocationsFor = 100 * time.Millisecond

// revocations answers from memory, and makes the list ten times a second at
// most, whoever asks.
func (h *Handlers) revocations() action {
	var (
		mu   sync.Mutex
		made time.Time
		list []byte
		etag string
	)
	current := func() ([]byte, string) {
		mu.Lock()
		defer mu.Unlock()
		if made.IsZero() || time.Since(made) >= revocationsFor {
			list, made = h.auth.Revocations(), time.Now()
			sum := sha256.Sum256(list)
			etag = `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
		}
		return list, etag
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		list, etag := current()
		header := w.Header()
		header.Set("Cache-Control", "public, max-age=1")
		if r.Header.Get("Authorization") != "" {
			header.Set("Cache-Control", "private, max-age=1") // a check stands before it
		}
		header.Set("ETag", etag)
		if strings.Contains(strings.Join(r.Header["If-None-Match"], ","), etag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		header.Set("Content-Type", jsonType)
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(list)
		return nil
	}
}
