package password

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"
)

// Errors of [Hasher.Verify] about a stored hash. Log them, and answer the user
// as if the password were wrong.
var (
	// ErrDamagedHash means that the stored string is malformed or that its
	// costs exceed the limits.
	ErrDamagedHash = errors.New("password: damaged stored hash")
	// ErrUnknownPepper means that the stored hash was made with a pepper that
	// HasherConfig.Peppers does not contain. The same error also matches
	// ErrDamagedHash.
	ErrUnknownPepper = errors.New("password: stored hash needs a pepper that is not in HasherConfig.Peppers")
)

// Hasher makes and verifies password hashes. It is safe for concurrent use. A
// program needs exactly one, because each Hasher limits only its own concurrent
// computations.
//
// At most HasherConfig.Slots computations run at once; further calls queue in order of
// arrival, and the groups and clients that [WithClient] names take turns. A call returns a
// [BusyError] at once if it would wait longer than HasherConfig.QueueWait. Canceling the
// context of a queued call removes it from the queue; a computation that has started runs
// to its end.
//
// Each Argon2id computation allocates Params.Memory (64 MiB by default) and
// leaves it to the garbage collector. With the default GOGC=100 the heap can
// reach twice its live size, running computations included, and more while a
// collection is in progress. Set GOMEMLIMIT to bound it: the program's own
// memory plus 2 × Slots × Params.Memory costs few extra collections.
type Hasher struct {
	peppers map[string][]byte
	current hashing // how new hashes are made
	dummy   scheme  // matches no password
	slots   *slots
	// foreignSlots run the hashes of other systems. Some of these take seconds
	// on one core and must not delay the users whose hashes are native.
	foreignSlots *slots
	count        atomic.Uint64
}

// NewHasher returns a Hasher with a copy of config. Its errors wrap
// [ErrInvalidConfig] and name the field.
func NewHasher(config HasherConfig) (*Hasher, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	h := &Hasher{
		peppers:      make(map[string][]byte, len(config.Peppers)),
		slots:        newSlots(config.Slots, config.QueueWait),
		foreignSlots: newSlots(config.Slots, config.QueueWait),
	}
	for _, p := range slices.Concat(config.Peppers, config.ForeignPeppers) {
		h.peppers[p.ID] = bytes.Clone(p.Key)
	}
	h.current = hashing{algorithm: config.Algorithm}
	if config.Algorithm == PBKDF2SHA256 {
		h.current.iterations = config.PBKDF2Iterations
	} else {
		h.current.params = config.Params
	}
	if len(config.Peppers) > 0 {
		h.current.keyID = config.Peppers[0].ID
	}
	h.dummy = h.current.withTag(newSalt(), newSalt())
	return h, nil
}

// Format prints the costs and never a pepper, for every verb.
func (h *Hasher) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "password.Hasher{"+h.current.String()+"}")
}

// Hash returns the string to store for pw, in PHC format, with a random 16-byte
// salt and a 32-byte tag. By default it begins with
// $argon2id$v=19$m=65536,t=3,p=1$; with a pepper, the costs end in
// ",keyid=" and the pepper's ID.
//
// Its errors are [ErrEmpty], [ErrNotUTF8], [ErrTooLong], a [*BusyError], and the
// error of ctx.
func (h *Hasher) Hash(ctx context.Context, pw string) (string, error) {
	c, err := newCandidate(pw)
	if err != nil {
		return "", err
	}
	return h.hash(ctx, c.nfc)
}

// hash hashes any text with the current settings.
func (h *Hasher) hash(ctx context.Context, text string) (string, error) {
	salt := newSalt()
	var tag []byte
	err := h.run(ctx, h.slots, func() (err error) {
		tag, err = h.current.compute(keyed(text, h.peppers[h.current.keyID]), salt, tagLen)
		return err
	})
	if err != nil {
		return "", err
	}
	return h.current.withTag(salt, tag).encode(), nil
}

// Verify reports whether pw is the password of the stored string encoded. If
// ok, rehash reports whether encoded should be replaced by a new Hash of pw,
// because its algorithm, parameters or pepper are not the current ones or
// because it came from another system.
//
// Verify makes exactly one expensive computation, even if encoded is damaged, so
// that its duration reveals nothing, and compares in constant time. It compares
// the NFC form of pw with hashes made by this package, and pw as typed with
// hashes of other systems.
//
// If encoded came from another system and all slots of such hashes are busy, ok is
// false, as for a wrong password.
//
// If encoded is unusable, ok is false and the error wraps [ErrDamagedHash].
// [ErrEmpty], [ErrNotUTF8], [ErrTooLong], a [*BusyError] and the error of ctx
// mean that pw was not compared.
func (h *Hasher) Verify(ctx context.Context, encoded, pw string) (ok, rehash bool, err error) {
	c, err := newCandidate(pw)
	if err != nil {
		return false, false, err
	}
	stored, pepper, damage := h.read(encoded)
	if damage != nil {
		if err := h.verifyDummy(ctx, c); err != nil {
			return false, false, err
		}
		return false, false, damage
	}
	in := h.slotsOf(stored)
	err = h.run(ctx, in, func() (err error) {
		ok, err = stored.matches(c, pepper)
		return err
	})
	var busy *BusyError
	if in == h.foreignSlots && errors.As(err, &busy) {
		// An answer of its own would reveal which accounts were imported.
		return false, false, h.verifyDummy(ctx, c)
	}
	if err != nil {
		return false, false, err
	}
	return ok, ok && !h.isCurrent(stored), nil
}

// read parses a stored string and finds its pepper.
func (h *Hasher) read(encoded string) (scheme, []byte, error) {
	stored, err := parse(encoded)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrDamagedHash, err)
	}
	id := stored.pepperID()
	if id == "" {
		return stored, nil, nil
	}
	key, ok := h.peppers[id]
	if !ok {
		return nil, nil, fmt.Errorf("%w: %w: %q", ErrDamagedHash, ErrUnknownPepper, id)
	}
	return stored, key, nil
}

func (h *Hasher) isCurrent(s scheme) bool {
	own, ok := s.(*native)
	return ok && own.hashing == h.current && len(own.salt) == saltLen && len(own.tag) == tagLen
}

// VerifyDummy takes as long as Verify of a current hash and verifies nothing.
// Call it if no account has the given login id, so that the response time does
// not reveal it. Its errors are [ErrEmpty], [ErrNotUTF8], [ErrTooLong], a
// [*BusyError], and the error of ctx.
func (h *Hasher) VerifyDummy(ctx context.Context, pw string) error {
	c, err := newCandidate(pw)
	if err != nil {
		return err
	}
	return h.verifyDummy(ctx, c)
}

func (h *Hasher) verifyDummy(ctx context.Context, c candidate) error {
	return h.run(ctx, h.slots, func() error {
		_, err := h.dummy.matches(c, h.peppers[h.current.keyID])
		return err
	})
}

// Count returns how many expensive computations have started, for metrics and
// tests.
func (h *Hasher) Count() uint64 { return h.count.Load() }

// Slots returns how many computations may run at once: HasherConfig.Slots or its
// default. It is for metrics and memory planning.
func (h *Hasher) Slots() int { return h.slots.n }

// Busy returns a [*BusyError] if a computation requested now by the client of ctx (see
// [WithClient]) would wait longer than QueueWait, estimated from the queue and the
// duration of recent computations. Callers use it to skip work that a refused hash
// would waste.
func (h *Hasher) Busy(ctx context.Context) error { return h.slots.busy(queueKeyOf(ctx)) }

// slotsOf returns the slots that verify stored.
func (h *Hasher) slotsOf(stored scheme) *slots {
	switch stored := stored.(type) {
	case *native:
		return h.slots
	case *wrapped:
		// The rounds of phpass take seconds for a long password.
		if _, slow := stored.inner.(phpass); !slow {
			return h.slots
		}
	}
	return h.foreignSlots
}

// run makes one expensive computation in a slot.
func (h *Hasher) run(ctx context.Context, in *slots, compute func() error) error {
	if err := in.acquire(ctx); err != nil {
		return err
	}
	start := time.Now()
	defer func() { in.release(time.Since(start)) }()
	h.count.Add(1)
	return compute()
}
