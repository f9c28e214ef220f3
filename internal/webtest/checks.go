package webtest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// checkEveryView checks HP-01, HP-02 and CK-01 in every answer of the mount to a
// browser: a page, a redirect, the icon, a problem.
func checkEveryView(t *testing.T, method, path string, v View) {
	t.Helper()
	if !strings.HasPrefix(path, "/auth/") && path != "/.well-known/change-password" {
		return // a page of the program
	}
	path = method + " " + path
	want := map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Strict-Transport-Security": HSTS, "Cross-Origin-Resource-Policy": "same-origin",
	}
	contentType, _, _ := strings.Cut(v.Header.Get("Content-Type"), "; charset=utf-8")
	switch contentType {
	case "text/html":
		want["Content-Type"], want["Cross-Origin-Opener-Policy"] = "text/html; charset=utf-8", "same-origin"
		CheckPolicy(t, path, v)
	case "image/svg+xml":
		want["Content-Type"] = "image/svg+xml; charset=utf-8"
		want["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
	case "":
		if v.Status != http.StatusSeeOther && v.Status != http.StatusNoContent || v.Body != "" {
			t.Errorf("HP-01: %s: %d with a body of %d bytes and no type", path, v.Status, len(v.Body))
		}
		want["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
	default:
		checkEveryAnswer(t, Request{Method: method, Path: path}, asReply(v))
		return
	}
	for name, value := range want {
		if got := v.Header.Get(name); got != value {
			t.Errorf("HP-01: %s: %s is %q, want %q", path, name, got, value)
		}
	}
	checkCookies(t, v.Header)
}

// asReply returns a view as a Reply.
func asReply(v View) *Reply {
	a := &Reply{Status: v.Status, Header: v.Header, Body: []byte(v.Body)}
	_ = json.Unmarshal(a.Body, &a.JSON)
	return a
}

// away matches a link to another site, which gets no referrer.
var away = regexp.MustCompile(`<a [^>]*href="https://[^>]* rel="noopener noreferrer">`)

// asset matches the element of a file of the program, which the policy allows by a nonce.
var asset = regexp.MustCompile(`<(?:link rel="stylesheet" href|script defer src)="[^"]*" nonce="([^"]+)"[^>]*>`)

// picture matches the picture of a user.
var picture = regexp.MustCompile(`<img src="(https://[^/"]+)[^"]*" alt="" width="56" height="56" referrerpolicy="no-referrer">`)

// CheckPolicy checks that the policy allows the style and script of the page, by
// their hash, the files of the program, by their nonce, and nothing else.
func CheckPolicy(t *testing.T, path string, v View) {
	t.Helper()
	policy := map[string]string{}
	for _, directive := range strings.Split(v.Header.Get("Content-Security-Policy"), "; ") {
		name, value, _ := strings.Cut(directive, " ")
		policy[name] = value
	}
	for _, m := range asset.FindAllStringSubmatch(v.Body, -1) {
		name, further := "style-src", "font-src"
		if strings.HasPrefix(m[0], "<script") {
			name, further = "script-src", "connect-src"
		}
		policy[name] = strings.TrimSuffix(policy[name], " 'nonce-"+m[1]+"'")
		if policy[further] == "'self'" {
			delete(policy, further)
		}
	}
	images := "'self'"
	if m := picture.FindStringSubmatch(v.Body); m != nil && m[1] != "https://app.example" {
		images += " " + m[1]
	}
	hash := func(element string) string {
		all := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(v.Body, -1)
		if len(all) != 1 {
			t.Fatalf("%s has %d elements %s", path, len(all), element)
		}
		sum := sha256.Sum256([]byte(all[0][1]))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	for name, want := range map[string]string{
		"default-src": "'none'", "base-uri": "'none'", "object-src": "'none'", "frame-ancestors": "'none'",
		"form-action": "'self'", "img-src": images, "style-src": hash("style"), "script-src": hash("script"),
	} {
		if policy[name] != want {
			t.Errorf("%s: %s is %q, want %q", path, name, policy[name], want)
		}
		delete(policy, name)
	}
	if len(policy) > 0 {
		t.Errorf("%s: the policy has more: %v", path, policy)
	}
	body := picture.ReplaceAllString(v.Body, "")
	body = asset.ReplaceAllString(away.ReplaceAllString(body, ""), "")
	for _, no := range []string{` style="`, ` onclick=`, `javascript:`, `src="//`, `src="http`, `href="http`, `url(`, `@import`} {
		if strings.Contains(body, no) {
			t.Errorf("%s has %s", path, no)
		}
	}
}
