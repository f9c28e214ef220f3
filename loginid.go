package usher

import (
	"errors"

	"github.com/usherkit/usher/internal/loginid"
)

// canonicalLoginID returns the form in which login ids are compared and kept
// unique. The error is a [*FieldError] for the field loginId.
func canonicalLoginID(s string, unicodeLocal bool) (string, error) {
	c, err := loginid.Canonical(s, unicodeLocal)
	return c, loginIDError("loginId", err)
}

// canonicalEmail returns the canonical form of an email address. The error is a
// [*FieldError] for the field.
func canonicalEmail(field, s string, unicodeLocal bool) (string, error) {
	c, err := loginid.CanonicalEmail(s, unicodeLocal)
	return c, loginIDError(field, err)
}

// loginIDError returns an error of package loginid as a [*FieldError].
func loginIDError(field string, err error) error {
	var invalid *loginid.Error
	if errors.As(err, &invalid) {
		return &FieldError{field, invalid.Code, invalid.Detail}
	}
	return err
}
