package password

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Foreign is a password hash made by another system. Exactly one field must be set.
// [Hasher.Import] converts it to a stored string. A text may end with a line break.
type Foreign struct {
	Bcrypt   *Bcrypt
	Argon2   *Argon2
	PBKDF2   *PBKDF2
	Scrypt   *Scrypt
	Firebase *Firebase
	Django   *Django
	Spring   *Spring
	ASPNet   *ASPNet
	PHPass   *PHPass
	MD5      *MD5
	SHA      *SHA
	// Stored is a string that another Hasher of this package returned, such as the hash
	// of an exported user. A hash with a pepper needs the same pepper here.
	Stored string
}

// Format hides the hash, for every verb.
func (Foreign) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "password.Foreign{…}")
}

// LogValue hides the hash.
func (f Foreign) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(f)) }

// ImportError reports which part of a [Foreign] cannot be imported, and why. It
// never contains the hash, a salt or a key.
type ImportError struct {
	// Field is the path within Foreign, such as "Bcrypt.Hash".
	Field string
	// Reason is a short phrase for the operator.
	Reason string
}

// Error returns "password: import: Field: Reason".
func (e *ImportError) Error() string {
	return "password: import: " + e.Field + ": " + e.Reason
}

func importErr(field, format string, args ...any) error {
	return &ImportError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// importable is a hash format of another system.
type importable interface {
	// convert checks the form and the costs. Its errors are *ImportError.
	convert() (imported, error)
}

// imported is either a slow hash, to be stored unchanged, or a fast hash, to be
// wrapped.
type imported struct {
	scheme scheme

	inner     fast
	innerHash string
}

// Import checks a hash of another system and returns the string to store. Verify
// accepts it and asks for a rehash after the first success. Import wraps fast
// hashes (MD5, SHA-1, SHA-2, phpass) in a hash with the current settings, so that
// a stolen table is as hard to attack as native hashes; that takes one expensive
// computation. It does the same to slow formats with costs that are too low: PBKDF2
// under 100,000 iterations, scrypt and Firebase under N × R × P = 2^17, Argon2 under 16 MiB ×
// 1 pass. Other hashes are only checked.
//
// Costs are limited because each sign-in has to pay them: bcrypt cost 14, Argon2
// and scrypt 256 MiB, Argon2 10 passes, PBKDF2 2,000,000 iterations.
//
// Its errors are an [*ImportError] and, for fast hashes, a [*BusyError] or the
// error of ctx.
func (h *Hasher) Import(ctx context.Context, f Foreign) (string, error) {
	format, err := f.only()
	if err != nil {
		return "", err
	}
	in, err := format.convert()
	if err != nil {
		return "", err
	}
	if s := in.scheme; s != nil && s.pepperID() != "" && h.peppers[s.pepperID()] == nil {
		if f.Bcrypt != nil {
			return "", importErr("Bcrypt.PepperID", "%q is not in HasherConfig.ForeignPeppers", s.pepperID())
		}
		return "", importErr("Stored", "needs the pepper %q, which HasherConfig.Peppers does not have", s.pepperID())
	}
	if slow, ok := in.scheme.(derived); ok && slow.weak() {
		in = imported{inner: weakInner{slow}, innerHash: b64(slow.result())}
	}
	if in.scheme != nil {
		return in.scheme.encode(), nil
	}
	outer, err := h.hash(ctx, in.innerHash)
	if err != nil {
		return "", err
	}
	return encodeWrapped(in.inner, outer), nil
}

// only returns the one format that is set.
func (f Foreign) only() (importable, error) {
	var set []importable
	if f.Bcrypt != nil {
		set = append(set, f.Bcrypt)
	}
	if f.Argon2 != nil {
		set = append(set, f.Argon2)
	}
	if f.PBKDF2 != nil {
		set = append(set, f.PBKDF2)
	}
	if f.Scrypt != nil {
		set = append(set, f.Scrypt)
	}
	if f.Firebase != nil {
		set = append(set, f.Firebase)
	}
	if f.Django != nil {
		set = append(set, f.Django)
	}
	if f.Spring != nil {
		set = append(set, f.Spring)
	}
	if f.ASPNet != nil {
		set = append(set, f.ASPNet)
	}
	if f.PHPass != nil {
		set = append(set, f.PHPass)
	}
	if f.MD5 != nil {
		set = append(set, f.MD5)
	}
	if f.SHA != nil {
		set = append(set, f.SHA)
	}
	if f.Stored != "" {
		set = append(set, stored(f.Stored))
	}
	if len(set) != 1 {
		return nil, importErr("Foreign", "has %d formats set, must have exactly one", len(set))
	}
	return set[0], nil
}

// stored is a string of another Hasher.
type stored string

func (s stored) convert() (imported, error) {
	parsed, err := parse(trimLineEnd(string(s)))
	if err != nil {
		return imported{}, importErr("Stored", "is not a string that a Hasher returned")
	}
	switch p := parsed.(type) {
	case *native:
		err = p.checkMinimum()
	case *wrapped:
		err = p.outer.checkMinimum()
		if inner, slow := p.inner.(weakInner); err == nil && slow && !inner.of.weak() {
			err = errors.New("wraps a hash that a Hasher stores as it is")
		}
	case *bcryptHash:
		_, err = importBcrypt(*p)
	}
	if err != nil {
		return imported{}, importErr("Stored", "%v", err)
	}
	return imported{scheme: parsed}, nil
}

// within converts a part of a hash that has its own format. Its errors name the field of
// that format.
func within(field string, in importable) (imported, error) {
	out, err := in.convert()
	if e, ok := err.(*ImportError); ok {
		return imported{}, importErr(field, "%s", e.Reason)
	}
	return out, err
}
