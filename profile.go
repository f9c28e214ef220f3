package usher

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/internal/strictjson"
	"github.com/usherkit/usher/internal/weburl"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// maxProfileText is the maximum length of a profile field in bytes.
const maxProfileText = 256

// checkProfile returns the errors of fields that are too long, have control or bidi
// control characters, show nothing, or are no URL.
func checkProfile(p Profile) error {
	var errs []error
	for _, f := range []struct {
		name  string
		value *string
		max   int
	}{
		{"name", p.Name, maxProfileText},
		{"givenName", p.GivenName, maxProfileText},
		{"middleName", p.MiddleName, maxProfileText},
		{"familyName", p.FamilyName, maxProfileText},
		{"phone", p.Phone, 64},
		{"picture", p.Picture, 2048},
	} {
		if f.value == nil {
			continue
		}
		if len(*f.value) > f.max {
			errs = append(errs, &FieldError{f.name, "too_long", fmt.Sprintf("must be at most %d bytes", f.max)})
			continue
		}
		if logs.Clean(*f.value, f.max) != *f.value || strings.ContainsFunc(*f.value, isBidiControl) {
			errs = append(errs, &FieldError{f.name, "invalid", "must be UTF-8 text without control characters"})
			continue
		}
		if *f.value != "" && !strings.ContainsFunc(*f.value, isVisible) {
			errs = append(errs, &FieldError{f.name, "invalid", "must be empty or have a visible character"})
			continue
		}
		if f.name == "picture" && *f.value != "" {
			if _, err := weburl.Parse(*f.value); err != nil {
				errs = append(errs, &FieldError{f.name, "invalid", err.Error()})
			}
		}
	}
	return inputErrors(errs...)
}

// isBidiControl reports whether a character changes the direction of the text around
// it (Unicode Bidirectional Algorithm, UAX #9 §2). A name with one could turn the words
// of a page or of an email around.
func isBidiControl(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }

// isVisible reports whether a character shows something. Format characters, such as
// U+200B, and the fillers of Hangul and Braille do not.
func isVisible(r rune) bool {
	return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) &&
		!unicode.Is(unicode.Variation_Selector, r) && r != '\u2800'
}

// checkGrants returns the errors of roles, permissions and tenants that are no text or have
// control characters. Not every store keeps a zero byte among the roles.
func checkGrants(roles, permissions []string, tenants map[string]token.Tenant) error {
	bad := func(s string) bool { return !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) }
	badTenant := false
	for name, t := range tenants {
		badTenant = badTenant || bad(name) || slices.ContainsFunc(t.Roles, bad) || slices.ContainsFunc(t.Permissions, bad)
	}
	var errs []error
	for _, f := range []struct {
		name string
		bad  bool
	}{
		{"roles", slices.ContainsFunc(roles, bad)}, {"permissions", slices.ContainsFunc(permissions, bad)}, {"tenants", badTenant},
	} {
		if f.bad {
			errs = append(errs, &FieldError{f.name, "invalid", "must be UTF-8 text without control characters"})
		}
	}
	return inputErrors(errs...)
}

// valueOf returns the value of a field of UpdateUserParams, or the zero value for nil.
func valueOf[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// checkAttributes returns an error for attributes that cannot be stored as JSON.
func checkAttributes(attributes map[string]any) error {
	line, err := json.Marshal(map[string]any{"attributes": attributes})
	if err != nil {
		return &FieldError{"attributes", "invalid", "must be values that JSON can hold"}
	}
	// What is stored can be exported, so it must also be readable in a line of an import.
	if _, err := strictjson.Parse(line); err != nil {
		return &FieldError{"attributes", "invalid", "must not be nested deeper than 31 levels"}
	}
	// A json.Number may be beyond the numbers that can be read.
	if err := json.Unmarshal(line, new(map[string]any)); err != nil {
		return &FieldError{"attributes", "invalid", "must not have a number beyond the range of a float64"}
	}
	// PostgreSQL does not store U+0000, which must not look like an outage.
	if bytes.Contains(bytes.ReplaceAll(line, []byte(`\\`), nil), []byte(`\u0000`)) {
		return &FieldError{"attributes", "invalid", "must not have the character U+0000"}
	}
	return nil
}

// profileChangesPerHour is how often a user may change the profile in an hour. Each change
// is an event, which is kept for long.
const profileChangesPerHour = 100

// UpdateProfile changes the profile fields that are not nil, and returns the user. A user
// can call it a hundred times an hour.
//
// Errors: a [*FieldError] or [*InputErrors]; [ErrInvalidSession]; [ErrForbidden] in
// a reset session; a [*LimitError]; [ErrUnavailable].
func (s *Service) UpdateProfile(ctx context.Context, claims *token.Claims, p Profile, c Client) (_ User, err error) {
	if err := checkProfile(p); err != nil {
		return User{}, err
	}
	if _, _, err := s.userSession(ctx, claims); err != nil {
		return User{}, err
	}
	limit := s.hourlyLimit(limitProfile, profileChangesPerHour, claims.Subject)
	if _, err := s.takeLimitsOrError(ctx, c, limit); err != nil {
		return User{}, err
	}
	defer func() { s.releaseAfterOutage(ctx, &err, limit) }()
	e := s.newEvent(EventUserUpdated, claims.Subject, claims.SessionID, "profile", c.actingBy(claims))
	u, _, err := s.store.UpdateUser(ctx, store.UserUpdate{
		UserID: claims.Subject, Profile: p, At: s.now(), Effects: store.Effects{Events: []Event{e}},
	})
	if err != nil {
		return User{}, userGoneError(s.storeError(err))
	}
	s.audit.Notify(ctx, e)
	return u, nil
}
