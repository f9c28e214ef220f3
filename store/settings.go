package store

import "context"

// PasswordSettings are the settings for passwords that operators have set.
type PasswordSettings struct {
	// Version grows by one with every change. It is zero if operators have set none.
	Version int64
	// Content is a JSON text of the Service.
	Content string
}

// SettingsStore keeps the settings of operators.
type SettingsStore interface {
	// PasswordSettings returns the settings for passwords. A new store has none, with
	// Version 0.
	PasswordSettings(ctx context.Context) (PasswordSettings, error)
	// SavePasswordSettings replaces the settings for passwords. It returns ErrConflict
	// unless p.Version is one above the stored version.
	SavePasswordSettings(ctx context.Context, p PasswordSettings, fx Effects) error
}
