package api

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A revocation list is reused for ten times as long as it took to make, within these
// bounds. So at most a tenth of the time is spent on a list that takes up to 100 ms, however
// many requests ask for it.
const minReuse, maxReuse = 100 * time.Millisecond, time.Second

// revocationList caches the newest revocation list. It is safe for concurrent use.
type revocationList struct {
	mu   sync.Mutex
	made time.Time
	// reuse is how long the list is current.
	reuse time.Duration
	body  []byte
	etag  string
}

// current returns the list and its entity tag.
func (l *revocationList) current(read func() []byte) (body []byte, etag string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made.IsZero() || time.Since(l.made) >= l.reuse {
		began := time.Now()
		l.body = read()
		l.etag, l.made = entityTag(l.body), time.Now()
		l.reuse = min(max(10*l.made.Sub(began), minReuse), maxReuse)
	}
	return l.body, l.etag
}

// Revocations answers GET /revocations from memory. No cache may store the list, because
// the program may let only some clients read it.
func (api *API) Revocations(w http.ResponseWriter, r *http.Request) error {
	list, etag := api.revocations.current(api.service.Revocations)
	header := w.Header()
	header.Set("ETag", etag)
	if matchesETag(r, etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	header.Set("Content-Type", jsonType)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(list)
	return nil
}

// entityTag returns the ETag of a body.
func entityTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// matchesETag reports whether the client already has the body with that ETag.
func matchesETag(r *http.Request, etag string) bool {
	return strings.Contains(strings.Join(r.Header["If-None-Match"], ","), etag)
}
