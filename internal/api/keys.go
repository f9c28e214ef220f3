package api

import "net/http"

// Keys answers GET /keys from memory. Caches keep the set for a much shorter time than a key
// is published before it signs.
func (api *API) Keys(w http.ResponseWriter, r *http.Request) error {
	set := api.service.JWKS()
	etag := entityTag(set)
	header := w.Header()
	header.Set("Cache-Control", "public, max-age=60")
	header.Set("ETag", etag)
	if matchesETag(r, etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	header.Set("Content-Type", "application/jwk-set+json; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(set)
	return nil
}
