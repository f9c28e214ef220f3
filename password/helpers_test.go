package password_test

import (
	"errors"

	"github.com/usherkit/usher/password"
)

// hasCode says whether err is a *PolicyError with this code.
func hasCode(err error, code password.Code) bool {
	var e *password.PolicyError
	return errors.As(err, &e) && e.Has(code)
}
