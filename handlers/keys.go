package handlers

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
)

// keys answers from memory: other programs ask again and again.
func (h *Handlers) keys(w http.ResponseWriter, r *http.Request) error {
	set := h.auth.JWKS()
	sum := sha256.Sum256(set)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	header := w.Header()
	header.Set("Cache-Control", "public, max-age=300")
	header.Set("ETag", etag)
	if strings.Contains(strings.Join(r.Header["If-None-Match"], ","), etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	header.Set("Content-Type", "application/jwk-set+json; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(set)
	return nil
}
