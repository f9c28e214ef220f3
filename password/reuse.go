package password

import (
	"context"
	"errors"
	"fmt"
)

// CheckReuse says whether pw is one of the user's last ReuseAmount passwords.
// The earlier ones are stored strings, the current one first, then back in
// time; those after the first ReuseAmount are not looked at. Each comparison
// costs a sign-in and waits for a slot of h like one, so CheckReuse comes
// after Check.
//
// It returns nil, a *PolicyError with CodeReused, or an error of Verify. A
// damaged stored string does not hide a match in another one: the rest is
// compared first, then the error, which wraps ErrDamagedHash, says that the
// check is incomplete.
func (p Policy) CheckReuse(ctx context.Context, h *Hasher, pw string, earlier []string) error {
	p, err := p.Complete()
	if err != nil {
		return err
	}
	var damage error
	for i, stored := range earlier[:min(len(earlier), p.ReuseAmount)] {
		ok, _, err := h.Verify(ctx, stored, pw)
		switch {
		case errors.Is(err, ErrDamagedHash):
			damage = errors.Join(damage, fmt.Errorf("password: reuse check: earlier[%d]: %w", i, err))
		case err != nil:
			return err
		case ok:
			return &PolicyError{[]Violation{refuse(CodeReused, p.ReuseAmount,
				"The password is one of the last %d of this account.", p.ReuseAmount)}}
		}
	}
	return damage
}
