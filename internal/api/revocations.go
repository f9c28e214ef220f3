package api

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxListAge is how long a revocation list is reused. So the list is computed at
// most ten times per second, however many requests ask for it.
const maxListAge = 100 * time.Millisecond

// revocationList caches the newest revocation list. It is safe for concurrent use.
type revocationList struct {
	mu   sync.Mutex
	made time.Time
	body []byte
	etag string
}

// current returns the list and its entity tag.
func (l *revocationList) current(read func() []byte) (body []byte, etag string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made.IsZero() || time.Since(l.made) >= maxListAge {
		l.body, l.made = read(), time.Now()
		l.etag = entityTag(l.body)
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
