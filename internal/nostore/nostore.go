// Package nostore keeps responses out of caches: those that obey Cache-Control, and the
// caches of CDNs and proxies, which obey other header fields.
package nostore

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Set forbids every cache to store the response.
func Set(h http.Header) {
	h.Set("Cache-Control", "no-store")
	removeTargeted(h)
}

// Protect forbids shared caches to store the response. It leaves a Cache-Control that
// does so already, and otherwise calls Set.
func Protect(h http.Header) {
	if isPrivate(h) {
		removeTargeted(h)
		return
	}
	Set(h)
}

var quoted = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// isPrivate reports whether Cache-Control forbids every shared cache to store the response.
// The form private="name" does so for one field only (RFC 9111 §5.2.2.7).
func isPrivate(h http.Header) bool {
	var private, shared bool
	for _, line := range h["Cache-Control"] {
		// The names of fields in quotes are no directives.
		for directive := range strings.SplitSeq(quoted.ReplaceAllString(strings.ToLower(line), `""`), ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch {
			case strings.TrimSpace(directive) == "no-store":
				return true
			case strings.TrimSpace(directive) == "private":
				private = true
			case name == "public" || name == "s-maxage":
				shared = true
			}
		}
	}
	return private && !shared
}

// removeTargeted removes the fields that some caches read in place of Cache-Control: the
// targeted ones (RFC 9213), such as CDN-Cache-Control, and those of single products.
func removeTargeted(h http.Header) {
	for name := range h {
		lower := strings.ToLower(name)
		if strings.HasSuffix(lower, "-cache-control") || slices.Contains([]string{"surrogate-control", "edge-control", "x-accel-expires"}, lower) {
			delete(h, name)
		}
	}
}
