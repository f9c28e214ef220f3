package password

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// Errors about a stored hash. They are for the log: to the person who signs in
// they are a wrong password.
var (
	// ErrDamagedHash means that the stored string cannot be read, or asks for
	// more than the limits allow.
	ErrDamagedHash = errors.New("password: damaged stored hash")
	// ErrUnknownPepper means that the stored hash was made with a pepper that
	// is not in HasherConfig.Peppers. It comes wrapped with ErrDamagedHash.
	ErrUnknownPepper = errors.New("password: stored hash needs an unknown pepper")
)

// Hasher makes and verifies password hashes. It is safe for use by several
// goroutines; a program has one, because the bound on concurrent computations
// is the Hasher's.
//
// A computation that has begun runs to its end; a caller who goes away while it
// is queued frees its place, and one who would wait for longer than QueueWait
// is told so at once. What Argon2 leaves behind is collected before it exceeds
// 64 MiB or a quarter of the program's own heap, whichever is more: so the
// memory in use stays under the program's own plus Slots × Params.Memory plus
// 64 MiB, or, in a program with more than 256 MiB of its own, well within what
// the collector's pace allows it anyway (with the default GOGC=100, twice its
// live heap).
type Hasher struct {
	peppers map[string][]byte
	current hashing // what new hashes are made with
	dummy   scheme  // a hash that nobody knows a password of
	slots   *slots
	// foreign are the slots of hashes made elsewhere. Some take seconds on one core,
	// and must not keep those waiting who have one of ours.
	foreign *slots
	garbage garbage
	count   atomic.Uint64
}

// NewHasher returns a Hasher, or an error that wraps ErrInvalidConfig and
// names the field. The configuration is copied.
func NewHasher(config HasherConfig) (*Hasher, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	h := &Hasher{
		peppers: make(map[string][]byte, len(config.Peppers)),
		slots:   newSlots(config.Slots, config.QueueWait),
		foreign: newSlots(config.Slots, config.QueueWait),
		garbage: garbage{running: uint64(config.Slots) * uint64(config.Params.Memory) << 10},
	}
	for _, p := range config.Peppers {
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

// Format prints the costs, and never a pepper, whatever the verb.
func (h *Hasher) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "password.Hasher{"+h.current.String()+"}")
}

// Hash returns the string to store for pw: in PHC form, with a random salt of
// 16 bytes and a tag of 32. Without a pepper and with the defaults it begins
// with $argon2id$v=19$m=65536,t=3,p=4$; with a pepper, its ID follows as keyid.
//
// Errors: ErrEmpty, ErrNotUTF8, ErrTooLong, a *BusyError, or ctx's.
func (h *Hasher) Hash(ctx context.Context, pw string) (string, error) {
	c, err := newCandidate(pw)
	if err != nil {
		return "", err
	}
	return h.hash(ctx, c.nfc)
}

// hash makes a current hash of any text.
func (h *Hasher) hash(ctx context.Context, text string) (string, error) {
	salt := newSalt()
	var tag []byte
	err := h.run(ctx, h.slots, h.current.memory(), func() (err error) {
		tag, err = h.current.compute(keyed(text, h.peppers[h.current.keyID]), salt, tagLen)
		return err
	})
	if err != nil {
		return "", err
	}
	return h.current.withTag(salt, tag).encode(), nil
}

// Verify says whether pw is the password of a stored string, and whether a
// right password should now be hashed anew with Hash, because the algorithm,
// the parameters or the pepper are not the current ones or the hash is of
// another system. It makes exactly one expensive computation, also for a
// damaged string, so that its time does not tell, and compares in constant
// time. Hashes made by this package are checked against the NFC form of pw,
// those of other systems against pw as it was typed.
//
// A stored string that cannot be used gives false and an error that wraps
// ErrDamagedHash. Other errors: ErrEmpty, ErrNotUTF8, ErrTooLong, a
// *BusyError, or ctx's; nothing has then been decided.
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
	err = h.run(ctx, h.slotsOf(stored), stored.memory(), func() (err error) {
		ok, err = stored.matches(c, pepper)
		return err
	})
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

// VerifyDummy costs what Verify of a current hash costs and verifies nothing.
// It is for a login id that nobody has, so that the time of the answer does
// not say so. The errors are those of Verify.
func (h *Hasher) VerifyDummy(ctx context.Context, pw string) error {
	c, err := newCandidate(pw)
	if err != nil {
		return err
	}
	return h.verifyDummy(ctx, c)
}

func (h *Hasher) verifyDummy(ctx context.Context, c candidate) error {
	return h.run(ctx, h.slots, h.dummy.memory(), func() error {
		_, err := h.dummy.matches(c, h.peppers[h.current.keyID])
		return err
	})
}

// Count is the number of expensive computations so far, for metrics and tests.
func (h *Hasher) Count() uint64 { return h.count.Load() }

// Slots is how many computations may run at once, as it was configured or by
// default, for metrics and for who plans the memory of a machine.
func (h *Hasher) Slots() int { return h.slots.n }

// Busy returns a *BusyError if a computation that was asked for now would wait
// for longer than QueueWait, judged by those before it. It is for callers who
// have something to do before they hash that would then be done in vain.
func (h *Hasher) Busy() error { return h.slots.crowded() }

// slotsOf returns the slots in which a stored hash is verified.
func (h *Hasher) slotsOf(stored scheme) *slots {
	switch stored.(type) {
	case *native, *wrapped:
		return h.slots
	}
	return h.foreign
}

// run makes one expensive computation, which needs so many KiB, in a slot.
func (h *Hasher) run(ctx context.Context, in *slots, memory uint32, compute func() error) error {
	if err := in.acquire(ctx); err != nil {
		return err
	}
	begin := time.Now()
	defer func() { in.release(time.Since(begin)) }()
	h.count.Add(1)
	err := compute()
	h.garbage.add(memory)
	return err
}
