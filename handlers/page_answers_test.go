package handlers_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// checkEveryView proves HP-01, HP-02 and CK-01 of whatever a browser is answered
// by the mount: a page, the way to the next one, the icon, a problem.
func checkEveryView(t *testing.T, method, path string, v view) {
	t.Helper()
	if !strings.HasPrefix(path, "/auth/") && path != "/.well-known/change-password" {
		return // the program's own
	}
	path = method + " " + path
	want := map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Strict-Transport-Security": "max-age=31536000; includeSubDomains",
	}
	contentType, _, _ := strings.Cut(v.header.Get("Content-Type"), "; charset=utf-8")
	switch contentType {
	case "text/html":
		want["Content-Type"], want["Cross-Origin-Opener-Policy"] = "text/html; charset=utf-8", "same-origin"
		want["Cross-Origin-Resource-Policy"] = "same-origin"
		checkPolicy(t, path, v)
	case "image/svg+xml":
		want["Content-Type"] = "image/svg+xml; charset=utf-8"
		want["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
	case "":
		if v.status != http.StatusSeeOther && v.status != http.StatusNoContent || v.body != "" {
			t.Errorf("HP-01: %s: %d with a body of %d bytes and no type", path, v.status, len(v.body))
		}
		want["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
	default:
		checkEveryAnswer(t, request{method: method, path: path}, asReply(v))
		return
	}
	for name, value := range want {
		if got := v.header.Get(name); got != value {
			t.Errorf("HP-01: %s: %s is %q, want %q", path, name, got, value)
		}
	}
	checkCookies(t, v.header)
}

// asReply is a view as a program sees it.
func asReply(v view) *reply {
	a := &reply{status: v.status, header: v.header, body: []byte(v.body)}
	_ = json.Unmarshal(a.body, &a.json)
	return a
}
