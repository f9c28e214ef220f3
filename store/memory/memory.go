// Package memory implements [store.Store] in memory, for tests:
//
//	auth, err := usher.New(ctx, memory.New(), usher.Config{…})
package memory

import (
	"context"
	"errors"
	"sync"

	"github.com/usherkit/usher/store"
)

// Store is a [store.Store] in memory. It is for tests only: its data ends with the
// process, and one lock is held during each transaction. It passes the suite of package
// storetest.
type Store struct {
	mu          sync.Mutex
	closed      bool
	accounts    map[string]store.Account
	canonical   map[string][]string // user id to canonical login ids, in order
	owners      map[string]string   // canonical login id to user id
	sessions    map[string]store.SessionRecord
	tokens      map[string]store.OneTimeToken
	invitations map[string]store.Invitation // by canonical address
	limits      map[string]counter
	outbox      map[string]store.QueuedEmail
	revocations map[int64]store.Revocation
	lastRevoked int64
	events      []store.Event
	keys        store.SigningKeys

	passwordSettings store.PasswordSettings
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{
		accounts:    map[string]store.Account{},
		canonical:   map[string][]string{},
		owners:      map[string]string{},
		sessions:    map[string]store.SessionRecord{},
		tokens:      map[string]store.OneTimeToken{},
		invitations: map[string]store.Invitation{},
		limits:      map[string]counter{},
		outbox:      map[string]store.QueuedEmail{},
		revocations: map[int64]store.Revocation{},
	}
}

var (
	errClosed      = errors.New("memory: the store is closed")
	errInvalidText = errors.New("memory: text is not UTF-8, or holds a zero byte")
	errDuplicateID = errors.New("memory: a row with this id exists")
	errWrongUser   = errors.New("memory: the session belongs to another user")
)

// transaction records how to undo what a method did.
type transaction struct {
	*Store
	undo []func()
}

// transact runs f under the lock, and undoes its changes if it fails. in is the input of the
// method, whose strings are checked.
func (m *Store) transact(ctx context.Context, in any, f func(s *transaction) error) error {
	if !cleanText(in) {
		return errInvalidText
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.closed {
		return errClosed
	}
	s := &transaction{Store: m}
	err := f(s)
	if err != nil {
		for i := len(s.undo) - 1; i >= 0; i-- {
			s.undo[i]()
		}
	}
	return err
}

// put sets m[k] and records how to undo it.
func put[K comparable, V any](s *transaction, m map[K]V, k K, v V) {
	recordUndo(s, m, k)
	m[k] = v
}

// add is put for a key that must be new.
func add[K comparable, V any](s *transaction, m map[K]V, k K, v V) error {
	if _, ok := m[k]; ok {
		return errDuplicateID
	}
	put(s, m, k, v)
	return nil
}

// drop deletes m[k] and records how to undo it.
func drop[K comparable, V any](s *transaction, m map[K]V, k K) {
	recordUndo(s, m, k)
	delete(m, k)
}

func recordUndo[K comparable, V any](s *transaction, m map[K]V, k K) {
	old, had := m[k]
	s.undo = append(s.undo, func() {
		if had {
			m[k] = old
		} else {
			delete(m, k)
		}
	})
}

// Ping reports whether the store is open.
func (m *Store) Ping(ctx context.Context) error {
	return m.transact(ctx, nil, func(*transaction) error { return nil })
}

// Close makes all later calls fail.
func (m *Store) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
