package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/usherkit/usher/store"
)

// ChangeKind says what a step does to a user.
type ChangeKind string

// The steps that a [Hook] takes part in.
const (
	// UserCreated is a sign-up or an import. The user's row is there already.
	UserCreated ChangeKind = "user_created"
	// UserUpdated is a change of the user's fields, its address among them.
	UserUpdated ChangeKind = "user_updated"
	// PasswordChanged is a new password, a new state of it, or its loss.
	PasswordChanged ChangeKind = "password_changed"
	// UserDeleted is a deletion. The user's row is still there, so that rows
	// which refer to it can go first.
	UserDeleted ChangeKind = "user_deleted"
)

// Change is what a step does to a user.
type Change struct {
	Kind   ChangeKind
	UserID string
	// User is the user as it is after the step; for UserDeleted, as it was.
	User store.User
}

// Hook takes part in a step: what it writes through tx and what the step
// writes become visible together, or not at all. An error of the hook undoes
// the step, and is what the Store's method returns, wrapped.
//
// The step may be run again after losing against another transaction, and the
// hook with it: everything it does must go through tx. It must neither commit
// nor roll back, and should be quick, because rows are locked meanwhile (on
// SQLite, the whole database).
type Hook func(ctx context.Context, tx *sql.Tx, change Change) error

// tell runs the hook, if there is one.
func (t *tx) tell(ctx context.Context, kind ChangeKind, u store.User) error {
	if t.hook == nil {
		return nil
	}
	if err := t.hook(ctx, t.raw, Change{Kind: kind, UserID: u.ID, User: u}); err != nil {
		return fmt.Errorf("hook: %w", err)
	}
	return nil
}
