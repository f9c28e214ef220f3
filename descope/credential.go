package descope

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/visit"
)

// The errors of the Authorization header.
var (
	errNoProject    = errors.New("descope: the request has no Authorization: Bearer PROJECT")
	errWrongProject = errors.New("descope: the request names another project")
	errWrongKey     = errors.New("descope: the management key is wrong or missing")
	errNotServed    = errors.New("descope: the call is not served")
)

// credential is what the Authorization header of the SDKs has: "Bearer PROJECT", then,
// separated by colons, a token, a key, or both.
type credential struct {
	project string
	jwt     usher.Secret
	key     usher.Secret
}

// readCredential parses the Authorization header. Neither a token nor a project id has a
// colon; a token has two dots.
func readCredential(r *http.Request) (credential, error) {
	lines := r.Header["Authorization"]
	if len(lines) != 1 {
		return credential{}, errNoProject
	}
	scheme, rest, _ := strings.Cut(lines[0], " ")
	parts := strings.SplitN(strings.Trim(rest, " "), ":", 4) // a header may have a million colons
	if !strings.EqualFold(scheme, "Bearer") || parts[0] == "" || len(parts) > 3 {
		return credential{}, errNoProject
	}
	c := credential{project: parts[0]}
	tokens, keys := 0, 0
	for _, part := range parts[1:] {
		if isJWT(part) {
			c.jwt, tokens = usher.Secret(part), tokens+1
		} else {
			c.key, keys = usher.Secret(part), keys+1
		}
	}
	if tokens > 1 || keys > 1 {
		return credential{}, errNoProject
	}
	return c, nil
}

// isJWT reports whether a part of the Authorization header is a token: three segments.
func isJWT(s string) bool {
	segments := strings.SplitN(s, ".", 4)
	return len(segments) == 3 && segments[0] != "" && segments[1] != "" && segments[2] != ""
}

// authorize checks the Authorization header and adds what it grants to the call.
func (h *Handler) authorize(c *call, need access) error {
	if need == accessAny {
		return nil
	}
	given, err := readCredential(c.r)
	switch {
	case err != nil:
		return err
	case given.project != h.cfg.ProjectID:
		return errWrongProject
	}
	c.given = given
	switch need {
	case accessRefresh:
		return h.findRefreshToken(c)
	case accessManagement:
		return h.checkKey(c)
	}
	return nil
}

// useCookies reports whether the session is read from the cookies of a browser. It is if the
// header has the project id alone. If the header has a malformed token, the cookies are ignored
// (RFC 6750 §2).
func (h *Handler) useCookies(c *call) bool {
	return c.given.jwt == "" && c.given.key == "" && h.visits.Cookies != nil
}

// findRefreshToken takes the refresh token of the header or, for a browser, of the cookie.
func (h *Handler) findRefreshToken(c *call) (err error) {
	c.refresh = c.given.jwt
	if h.useCookies(c) {
		c.byCookie = true
		c.refresh, err = h.visits.RefreshToken(c.w, c.r)
		return err
	}
	if c.refresh == "" {
		return visit.ErrNotSignedIn
	}
	return nil
}

// checkKey checks the management key. The right key is never refused because others guess:
// it has at least 32 random characters, so the limit on wrong ones bounds what they cost,
// and does not lock the operator out.
func (h *Handler) checkKey(c *call) error {
	if h.key == nil {
		return errNotServed
	}
	client := h.visits.Client(c.w, c.r)
	operator := h.service.Operator("descope").WithClient(client)
	sum := sha256.Sum256([]byte(c.given.key.Reveal()))
	if c.given.key == "" || c.given.jwt != "" || subtle.ConstantTimeCompare(sum[:], h.key[:]) != 1 {
		if err := operator.CountFailedAuthentication(c.r.Context(), client); err != nil {
			return err
		}
		return errWrongKey
	}
	c.operator = operator
	return nil
}
