package password

import "testing"

// memoryKiB returns how much memory matches needs.
func memoryKiB(s scheme) uint32 {
	scrypt := func(n, r, p int) uint32 { return uint32(r * (n + p) / 8) }
	switch s := s.(type) {
	case *native:
		return s.params.Memory
	case *wrapped:
		return s.outer.params.Memory
	case *foreignArgon2:
		return s.params.Memory
	case *scryptHash:
		return scrypt(s.n, s.r, s.p)
	case *firebaseHash:
		return scrypt(1<<s.memoryExp, s.rounds, 1)
	}
	return 0
}

// FuzzVerifyEncoded parses stored strings as Verify does before it computes
// anything: parsing never panics, its result is within the limits, and encoding
// returns the same string.
func FuzzVerifyEncoded(f *testing.F) {
	const argon = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, s := range []string{
		argon,
		"$argon2id$v=19$m=65536,t=3,p=4,keyid=a.b-1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=4294967295,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$pbkdf2-sha256$i=600000$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$x-argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
		"$x-bcrypt$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$x-django-bcrypt-sha256$2b$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$x-pbkdf2-sha1$i=4096$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE",
		"$x-pbkdf2-sha512$i=4096$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$x-scrypt$n=16384,r=8,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
		"$x-firebase$m=14,r=8$c2FsdA$Bw$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$x-wrapped$md5" + argon,
		"$x-wrapped$sha256:salt-last:c2FsdA" + argon,
		"$x-wrapped$phpass-sha512:15:43:eIZ1KTE." + argon,
		"",
		"$",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		s, err := parse(encoded)
		if err != nil {
			return
		}
		if got := s.encode(); got != encoded {
			t.Fatalf("%q is encoded as %q", encoded, got)
		}
		if m := memoryKiB(s); m > maxMemory {
			t.Fatalf("%q needs %d KiB", encoded, m)
		}
		if id := s.pepperID(); id != "" && !validPepperID(id) {
			t.Fatalf("%q needs pepper %q", encoded, id)
		}
	})
}
