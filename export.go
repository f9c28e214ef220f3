package usher

import (
	"context"
	"encoding/json"
	"io"

	"github.com/usherkit/usher/store"
)

// Export writes all users, with their password hashes, as JSON lines that
// [Operator.Import] reads and docs/users.md describes: newest first, users without a
// password too. Sessions, temporary and earlier passwords, and events are not exported. The
// whole table is never in memory. The export is an event.
//
// The output is as sensitive as the database: an attacker can guess the passwords of its
// hashes without any limit.
//
// Errors: a [*FieldError] without w; the error of w; [ErrUnavailable].
func (o *Operator) Export(ctx context.Context, w io.Writer) error {
	if w == nil {
		return &FieldError{"w", "required", "must be where to write the lines"}
	}
	s := o.s
	e := o.event(EventUsersExported, "")
	if err := s.store.Record(ctx, store.Effects{Events: []Event{e}}); err != nil {
		return s.storeError(err)
	}
	s.audit.Notify(ctx, e)
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	for q := (store.UserQuery{Limit: 500}); ; {
		page, err := s.store.Users(ctx, q)
		if err != nil {
			return s.storeError(err)
		}
		for _, a := range page.Accounts {
			if err := lines.Encode(exportedLine(a)); err != nil {
				return err
			}
		}
		if page.Next == nil {
			return nil
		}
		q.After = page.Next
	}
}

// exportedLine returns the line of a user.
func exportedLine(a store.Account) userLine {
	u, p := a.User, a.Password
	given := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	l := userLine{
		ID: u.ID, LoginIDs: u.LoginIDs, Email: u.Email, EmailVerified: u.EmailVerified, Language: u.Language,
		Name: given(u.Name), GivenName: given(u.GivenName), MiddleName: given(u.MiddleName), FamilyName: given(u.FamilyName),
		Phone: given(u.Phone), Picture: given(u.Picture),
		Roles: u.Roles, Permissions: u.Permissions, Tenants: u.Tenants, Attributes: u.ExactAttributes(),
		Disabled: u.Status == StatusDisabled, CreatedAt: u.CreatedAt,
	}
	// A temporary password would begin a new week wherever the line is imported.
	if p.State == store.PasswordActive || p.State == store.PasswordExpired || p.State == store.PasswordBreached {
		// A leaked one has also expired, for programs that read only that.
		l.StoredHash, l.PasswordExpired, l.PasswordLeaked = p.Hash, p.State != store.PasswordActive, p.State == store.PasswordBreached
	}
	return l
}
