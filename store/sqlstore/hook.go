package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/usherkit/usher/store"
)

// ChangeKind names a change of a user.
type ChangeKind string

// The changes that a [Hook] takes part in.
const (
	// UserCreated is a sign-up or an import. The user's row exists already.
	UserCreated ChangeKind = "user_created"
	// UserUpdated is a change of the user's fields or email address.
	UserUpdated ChangeKind = "user_updated"
	// PasswordChanged is a new password, a new state of the password, or its removal.
	PasswordChanged ChangeKind = "password_changed"
	// UserDeleted is a deletion. The user's row still exists, so that rows that
	// refer to it can be deleted first.
	UserDeleted ChangeKind = "user_deleted"
)

// Change describes a change of a user to a [Hook].
type Change struct {
	Kind   ChangeKind
	UserID string
	// User is the user after the change; for UserDeleted, before it.
	User store.User
	// Fields are the values of usher.Config.SignUpFields, for the UserCreated of a sign-up
	// by the user. They are nil for an import, an invitation and a provider.
	Fields store.Fields
}

// Hook writes rows of the program in the transaction that changes a user: both become
// visible together, or neither. An error of the hook rolls the transaction back, and
// the Store's method returns it, wrapped.
//
// The transaction may be run again after it lost against another one, and the hook
// with it, so everything a hook does must go through tx. A hook must not commit or roll
// back, and should be quick: rows are locked until it returns (on SQLite, the whole
// database).
//
// A hook refuses the change with a [*store.Rejection], which reaches the client as 422.
// Any other error counts as an outage: the client gets 503 and may try again.
type Hook func(ctx context.Context, tx *sql.Tx, change Change) error

// hookSavepoint is the savepoint in which a hook runs on SQLite.
const hookSavepoint = "usher_hook"

// runHook runs the hook, if there is one.
//
// On SQLite some errors roll back the whole transaction, such as a full disk or a conflict
// that a constraint of the program resolves by ROLLBACK. A hook may ignore the error; the
// statements that follow would then be stored one by one. The savepoint is gone in that case.
func (t *tx) runHook(ctx context.Context, kind ChangeKind, u store.User, fields store.Fields) error {
	if t.hook == nil {
		return nil
	}
	if t.dialect == SQLite {
		if _, err := t.exec(ctx, "SAVEPOINT "+hookSavepoint); err != nil {
			return err
		}
	}
	if err := t.hook(ctx, t.raw, Change{Kind: kind, UserID: u.ID, User: u, Fields: fields}); err != nil {
		return fmt.Errorf("hook: %w", err)
	}
	if t.dialect == SQLite {
		if _, err := t.exec(ctx, "RELEASE "+hookSavepoint); err != nil {
			return fmt.Errorf("hook: a statement rolled back the transaction, and the hook returned no error: %w", err)
		}
	}
	return nil
}
