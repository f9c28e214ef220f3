package memory

import (
	"context"
	"errors"
	"sync"

	"github.com/usherkit/usher/store"
)

// Store is a [store.Store] that forgets everything when the process ends. It
// is for tests only: it keeps nothing on disk, holds one lock during each step
// and never gives memory back by itself. It passes the suite of package storetest.
type Store struct {
	mu          sync.Mutex
	closed      bool
	accounts    map[string]store.Account
	canonical   map[string][]string // user id to canonical login ids, in order
	owners      map[string]string   // canonical login id to user id
	sessions    map[string]store.SessionRecord
	tokens      map[string]store.OneTimeToken
	limits      map[string]counter
	mail        map[string]store.QueuedEmail
	revocations map[int64]store.Revocation
	lastRevoked int64
	events      []store.Event
	keys        store.SigningKeys
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
		limits:      map[string]counter{},
		mail:        map[string]store.QueuedEmail{},
		revocations: map[int64]store.Revocation{},
	}
}

var (
	errClosed = errors.New("memory: the store is closed")
	errText   = errors.New("memory: text is not UTF-8, or holds a zero byte")
	errExists = errors.New("memory: a row with this id exists")
	errOwner  = errors.New("memory: the session is another user's")
)

// step is a method at work: it knows how to take back what it has done.
type step struct {
	*Store
	undo []func()
}

// do runs one step under the lock, and takes all of it back if it fails. in is
// what the caller gave, whose texts are checked.
func (m *Store) do(ctx context.Context, in any, f func(s *step) error) error {
	if !cleanText(in) {
		return errText
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.closed {
		return errClosed
	}
	s := &step{Store: m}
	err := f(s)
	if err != nil {
		for i := len(s.undo) - 1; i >= 0; i-- {
			s.undo[i]()
		}
	}
	return err
}

// put sets m[k], so that the step can take it back.
func put[K comparable, V any](s *step, m map[K]V, k K, v V) {
	remember(s, m, k)
	m[k] = v
}

// add is put for a key that must be new.
func add[K comparable, V any](s *step, m map[K]V, k K, v V) error {
	if _, ok := m[k]; ok {
		return errExists
	}
	put(s, m, k, v)
	return nil
}

// drop deletes m[k], so that the step can take it back.
func drop[K comparable, V any](s *step, m map[K]V, k K) {
	remember(s, m, k)
	delete(m, k)
}

func remember[K comparable, V any](s *step, m map[K]V, k K) {
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
	return m.do(ctx, nil, func(*step) error { return nil })
}

// Close makes all later calls fail.
func (m *Store) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
