package usher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
)

// PasswordSettings are the rules for passwords that operators change while the program
// runs. The fields have the meaning, the limits and the defaults of [password.Policy]: no
// setting goes below its floors, such as 8 characters.
type PasswordSettings struct {
	MinLength                                     int
	Lowercase, Uppercase, Number, NonAlphanumeric bool
	// Expiration is cut to whole seconds.
	Expiration                time.Duration
	ReuseAmount, LockAttempts int
	// Extra is a JSON value that the Service keeps and does not read, of at most 8 KiB. A
	// program keeps settings there that the Service does not have. Defaults to none.
	Extra json.RawMessage
	// Version is the version of the settings that the caller has read. It is zero if
	// operators have set none.
	Version int64
}

// storedSettings is the JSON text of the settings in the store.
type storedSettings struct {
	MinLength       int             `json:"minLength"`
	Lowercase       bool            `json:"lowercase"`
	Uppercase       bool            `json:"uppercase"`
	Number          bool            `json:"number"`
	NonAlphanumeric bool            `json:"nonAlphanumeric"`
	Expiration      int64           `json:"expiration"` // seconds
	ReuseAmount     int             `json:"reuseAmount"`
	LockAttempts    int             `json:"lockAttempts"`
	Extra           json.RawMessage `json:"extra,omitempty"`
}

// maxExtraSettings is the maximum size of PasswordSettings.Extra in bytes.
const maxExtraSettings = 8 << 10

// PasswordSettings returns the rules for passwords as the store has them: those that an
// operator has set, or those of [Config.Password] with Version 0.
//
// Errors: [ErrUnavailable].
func (o *Operator) PasswordSettings(ctx context.Context) (PasswordSettings, error) {
	stored, err := o.s.store.PasswordSettings(ctx)
	if err != nil {
		return PasswordSettings{}, o.s.storeError(err)
	}
	p, err := o.s.settings.parse(stored)
	return p, o.s.storeError(err)
}

// SetPasswordSettings replaces the rules for passwords, which take effect in this instance
// at once, and in every other one within 2 seconds. They replace the fields of
// [Config.Password] from then on, also after a restart. Passwords that are already set stay
// valid, but Expiration and LockAttempts apply to them. A setting that a standard advises
// against is logged ([password.Policy.Warnings]).
//
// Version must be the one that the caller has read: of two callers that change the same
// settings, one succeeds and the other gets [ErrConflict]. SetPasswordSettings returns the
// settings with every default filled in.
//
// Errors: a [*FieldError] that names the field as the JSON routes do; [ErrConflict] if the
// settings have another version; [ErrUnavailable].
func (o *Operator) SetPasswordSettings(ctx context.Context, p PasswordSettings) (PasswordSettings, error) {
	s := o.s
	p.Expiration = p.Expiration.Truncate(time.Second)
	policy, err := p.apply(s.cfg.Password).WithDefaults()
	if err != nil {
		return PasswordSettings{}, settingsError(err)
	}
	if len(p.Extra) > maxExtraSettings {
		return PasswordSettings{}, &FieldError{"extra", "too_long", "must be at most 8 KiB of JSON"}
	}
	if len(p.Extra) > 0 && (!json.Valid(p.Extra) || !utf8.Valid(p.Extra)) {
		return PasswordSettings{}, &FieldError{"extra", "invalid", "must be JSON in UTF-8"}
	}
	content, err := json.Marshal(storedSettings{
		policy.MinLength, policy.Lowercase, policy.Uppercase, policy.Number, policy.NonAlphanumeric,
		int64(policy.Expiration / time.Second), policy.ReuseAmount, policy.LockAttempts, p.Extra,
	})
	if err != nil {
		return PasswordSettings{}, fmt.Errorf("usher: password settings: %w", err)
	}
	e := s.newEvent(EventPasswordSettings, "", "", "", o.client)
	stored := store.PasswordSettings{Version: p.Version + 1, Content: string(content)}
	if err := s.store.SavePasswordSettings(ctx, stored, store.Effects{Events: []Event{e}}); err != nil {
		return PasswordSettings{}, s.storeError(err)
	}
	s.audit.Notify(ctx, e)
	if err := s.settings.read(ctx); err != nil {
		s.cfg.Logger.Warn("usher: the new password settings could not be read back; they take effect when the store can be reached", "error", err)
	}
	return s.settings.parse(stored)
}

// apply returns the policy with the settings.
func (p PasswordSettings) apply(policy password.Policy) password.Policy {
	policy.MinLength, policy.Lowercase, policy.Uppercase = p.MinLength, p.Lowercase, p.Uppercase
	policy.Number, policy.NonAlphanumeric = p.Number, p.NonAlphanumeric
	policy.Expiration, policy.ReuseAmount, policy.LockAttempts = p.Expiration, p.ReuseAmount, p.LockAttempts
	return policy
}

// settingsError returns an error of [password.Policy.WithDefaults], such as
// "MinLength: 7 is less than 8", as a *FieldError.
func settingsError(err error) error {
	text := strings.TrimPrefix(err.Error(), password.ErrInvalidPolicy.Error()+": ")
	field, detail, _ := strings.Cut(text, ": ")
	return &FieldError{strings.ToLower(field[:1]) + field[1:], "invalid", detail}
}

// passwordSettings is the policy that follows the settings in the store. While the store
// cannot be reached, it stays as it is.
type passwordSettings struct {
	store      store.SettingsStore
	configured password.Policy
	logger     interface{ Warn(string, ...any) }

	current atomic.Pointer[password.Policy]
	mu      sync.Mutex // held while the store is read, so that no older answer is applied last
	applied store.PasswordSettings
}

func newPasswordSettings(st store.SettingsStore, cfg Config) *passwordSettings {
	s := &passwordSettings{store: st, configured: cfg.Password, logger: logs.Guard(cfg.Logger)}
	s.current.Store(&s.configured)
	return s
}

func (s *passwordSettings) policy() password.Policy { return *s.current.Load() }

// read applies the settings in the store.
func (s *passwordSettings) read(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, settingsTimeout)
	defer cancel()
	stored, err := s.store.PasswordSettings(ctx)
	if err != nil || stored == s.applied {
		return err
	}
	p, err := s.parse(stored)
	if err != nil {
		return err
	}
	policy, err := p.apply(s.configured).WithDefaults()
	if err != nil {
		return fmt.Errorf("the settings of operators do not fit Config.Password: %w", err)
	}
	s.current.Store(&policy)
	s.applied = stored
	if stored.Version > 0 {
		for _, w := range policy.Warnings() {
			s.logger.Warn("usher: password policy", "warning", w)
		}
	}
	return nil
}

// settingsTimeout bounds one read of the settings: the next one may find a connection that
// works.
const settingsTimeout = 3 * time.Second

// parse returns the settings in the store, or those of Config.Password.
func (s *passwordSettings) parse(stored store.PasswordSettings) (PasswordSettings, error) {
	c := s.configured
	if stored.Version == 0 {
		return PasswordSettings{
			MinLength: c.MinLength, Lowercase: c.Lowercase, Uppercase: c.Uppercase, Number: c.Number, NonAlphanumeric: c.NonAlphanumeric,
			Expiration: c.Expiration, ReuseAmount: c.ReuseAmount, LockAttempts: c.LockAttempts,
		}, nil
	}
	var in storedSettings
	if err := json.Unmarshal([]byte(stored.Content), &in); err != nil {
		return PasswordSettings{}, errors.New("the stored settings are no JSON")
	}
	return PasswordSettings{
		MinLength: in.MinLength, Lowercase: in.Lowercase, Uppercase: in.Uppercase, Number: in.Number, NonAlphanumeric: in.NonAlphanumeric,
		Expiration: time.Duration(in.Expiration) * time.Second, ReuseAmount: in.ReuseAmount, LockAttempts: in.LockAttempts,
		Extra: in.Extra, Version: stored.Version,
	}, nil
}
