package password_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/usherkit/usher/password"
)

func b64(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// foreignVectors are hashes that other programs have made. Where no published
// one exists, the comment says what computed it.
var foreignVectors = []struct {
	name   string
	pw     string
	f      password.Foreign
	prefix string
}{
	{ // The test vectors of crypt_blowfish.
		"bcrypt 2a", "U*U",
		password.Foreign{Bcrypt: &password.Bcrypt{Hash: "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}},
		"$x-bcrypt$2a$05$",
	},
	{ // For ASCII the three names are one function.
		"bcrypt 2b", "U*U",
		password.Foreign{Bcrypt: &password.Bcrypt{Hash: "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}},
		"$x-bcrypt$2b$05$",
	},
	{
		"bcrypt 2y", "U*U",
		password.Foreign{Bcrypt: &password.Bcrypt{Hash: "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}},
		"$x-bcrypt$2y$05$",
	},
	{ // The test suite of the reference implementation of Argon2.
		"argon2i", "password",
		password.Foreign{Argon2: &password.Argon2{PHC: "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA"}},
		"$x-argon2i$v=19$m=65536,t=2,p=1$",
	},
	{ // Likewise.
		"argon2id in parts", "password",
		password.Foreign{Argon2: &password.Argon2{
			Hash: unhex("09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"), Salt: []byte("somesalt"),
			Iterations: 2, Memory: 65536, Threads: 1,
		}},
		"$x-argon2id$v=19$m=65536,t=2,p=1$",
	},
	{ // RFC 6070.
		"pbkdf2 sha1", "password",
		password.Foreign{PBKDF2: &password.PBKDF2{
			Type: "sha1", Hash: unhex("4b007901b765489abead49d926f721d065a429c1"), Salt: []byte("salt"), Iterations: 4096,
		}},
		"$x-wrapped$x-pbkdf2-sha1:i=4096:c2FsdA:20$argon2id$",
	},
	{ // RFC 7914 §11.
		"pbkdf2 sha256", "passwd",
		password.Foreign{PBKDF2: &password.PBKDF2{
			Type: "sha256", Salt: []byte("salt"), Iterations: 1,
			Hash: unhex("55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"),
		}},
		"$x-wrapped$x-pbkdf2-sha256:i=1:c2FsdA:64$argon2id$",
	},
	{ // Python's hashlib.pbkdf2_hmac.
		"pbkdf2 sha512", "password",
		password.Foreign{PBKDF2: &password.PBKDF2{
			Type: "sha512", Salt: []byte("salt"), Iterations: 4096,
			Hash: unhex("d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5143f30602641b3d55cd335988cb36b84376060ecd532e039b742a239434af2d5"),
		}},
		"$x-wrapped$x-pbkdf2-sha512:i=4096:c2FsdA:64$argon2id$",
	},
	{ // RFC 7914 §12.
		"scrypt", "pleaseletmein",
		password.Foreign{Scrypt: &password.Scrypt{
			N: 16384, R: 8, P: 1, Salt: []byte("SodiumChloride"),
			Hash: unhex("7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"),
		}},
		"$x-scrypt$n=16384,r=8,p=1$",
	},
	{ // The example of Firebase's own scrypt program.
		"firebase", "user1password",
		password.Foreign{Firebase: &password.Firebase{
			Hash:          b64("lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="),
			Salt:          b64("42xEC+ixf3L2lw=="),
			SaltSeparator: b64("Bw=="),
			SignerKey:     b64("jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="),
			Memory:        14, Rounds: 8,
		}},
		"$x-firebase$m=14,r=8$",
	},
	{ // Django's tests.
		"django pbkdf2_sha256", "lètmein",
		password.Foreign{Django: &password.Django{Hash: "pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c="}},
		"$x-pbkdf2-sha256$i=390000$",
	},
	{ // Python's hashlib.pbkdf2_hmac.
		"django pbkdf2_sha1", "lètmein",
		password.Foreign{Django: &password.Django{Hash: "pbkdf2_sha1$260000$seasalt$XXHk2gQ7tjWIyrS320RXXsGqkUg="}},
		"$x-pbkdf2-sha1$i=260000$",
	},
	{ // Django's tests.
		"django scrypt", "lètmein",
		password.Foreign{Django: &password.Django{Hash: "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw=="}},
		"$x-scrypt$n=16384,r=8,p=1$",
	},
	{ // Django's name before the string of Argon2's reference implementation.
		"django argon2", "password",
		password.Foreign{Django: &password.Django{Hash: "argon2$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA"}},
		"$x-argon2i$v=19$m=65536,t=2,p=1$",
	},
	{ // Django's name before the string of crypt_blowfish.
		"django bcrypt", "U*U",
		password.Foreign{Django: &password.Django{Hash: "bcrypt$$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}},
		"$x-bcrypt$2b$05$",
	},
	{ // Django's tests.
		"django md5", "lètmein",
		password.Foreign{Django: &password.Django{Hash: "md5$seasalt$3f86d0d3d465b7b458c231bf3555c0e3"}},
		"$x-wrapped$md5:salt-first:c2Vhc2FsdA$argon2id$",
	},
	{ // Django's tests.
		"django sha1", "lètmein",
		password.Foreign{Django: &password.Django{Hash: "sha1$$6d138ca3ae545631b3abd71a4f076ce759c5700b"}},
		"$x-wrapped$sha1$argon2id$",
	},
	{ // The test program of phpass.
		"phpass whole", "test12345",
		password.Foreign{PHPass: &password.PHPass{Hash: "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"}},
		"$x-wrapped$phpass-md5:11:22:IQRaTwmf$argon2id$",
	},
	{ // The same, in parts.
		"phpass count", "test12345",
		password.Foreign{PHPass: &password.PHPass{Hash: "eRo7ud9Fh4E2PdI0S3r.L0", Salt: "IQRaTwmf", Iterations: 2048, Type: "md5"}},
		"$x-wrapped$phpass-md5:11:22:IQRaTwmf$argon2id$",
	},
	{
		"phpass exponent", "test12345",
		password.Foreign{PHPass: &password.PHPass{Hash: "eRo7ud9Fh4E2PdI0S3r.L0", Salt: "IQRaTwmf", Iterations: 11}},
		"$x-wrapped$phpass-md5:11:22:IQRaTwmf$argon2id$",
	},
	{ // The string in the documentation of Drupal's port to Django.
		"phpass sha512", "password1234",
		password.Foreign{PHPass: &password.PHPass{Hash: "$S$DeIZ1KTE.VzRvudZ5.xgOakipuMFrVyPmRdWTjAdYieWj27NMglI"}},
		"$x-wrapped$phpass-sha512:15:43:eIZ1KTE.$argon2id$",
	},
	{ // Python's hashlib, as all that follow.
		"md5", "vast otter sings low",
		password.Foreign{MD5: &password.MD5{Hash: "04E610B3133EF73DCA5DD2FD9358E729"}},
		"$x-wrapped$md5$argon2id$",
	},
	{
		"md5 salt first", "vast otter sings low",
		password.Foreign{MD5: &password.MD5{Hash: "8722d4d7c8efa487e8ea3d5cb40ce768", Salt: []byte("salt")}},
		"$x-wrapped$md5:salt-first:c2FsdA$argon2id$",
	},
	{
		"md5 salt last", "vast otter sings low",
		password.Foreign{MD5: &password.MD5{Hash: "1ca2e076b5e6c467a89b294bcf00a7fe", Salt: []byte("salt"), SaltAfter: true}},
		"$x-wrapped$md5:salt-last:c2FsdA$argon2id$",
	},
	{
		"sha1", "vast otter sings low",
		password.Foreign{SHA: &password.SHA{Type: "sha1", Hash: "592190674d6968def098c10f28dfd392fccf6275"}},
		"$x-wrapped$sha1$argon2id$",
	},
	{
		"sha256 salt first", "vast otter sings low",
		password.Foreign{SHA: &password.SHA{
			Type: "sha256", Salt: []byte("salt"),
			Hash: "b5981b917fddbfc5c1c2e9187b9de6bce2a0e66eaf798a54aebfda00f5c7b6ea",
		}},
		"$x-wrapped$sha256:salt-first:c2FsdA$argon2id$",
	},
	{
		"sha512 salt last", "vast otter sings low",
		password.Foreign{SHA: &password.SHA{
			Type: "sha512", Salt: []byte("salt"), SaltAfter: true,
			Hash: "5af15083bc21284892f7970c1879daab0a5cfdf47478af1bb43588f0da09a32f30640b0fc54bc75e092c48f5a0fafeaa2e2fae22ad9d5ed70d8e061674d471e4",
		}},
		"$x-wrapped$sha512:salt-last:c2FsdA$argon2id$",
	},
}

func TestHA06_EveryFormatVerifiesAndWantsARehash(t *testing.T) {
	h := newHasher(t, password.HasherConfig{Peppers: []password.Pepper{pepper("a", 1)}})
	for _, tt := range foreignVectors {
		t.Run(tt.name, func(t *testing.T) {
			stored, err := h.Import(t.Context(), tt.f)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(stored, tt.prefix) {
				t.Errorf("stored %q, want it to begin with %q", stored, tt.prefix)
			}
			before := h.Count()
			if ok, rehash := verify(t, h, stored, tt.pw); !ok || !rehash {
				t.Errorf("right password: %v, %v, want a rehash", ok, rehash)
			}
			if ok, rehash := verify(t, h, stored, tt.pw+"z"); ok || rehash {
				t.Errorf("wrong password: %v, %v", ok, rehash)
			}
			if h.Count() != before+2 {
				t.Errorf("%d computations for two checks", h.Count()-before)
			}
		})
	}
}

// An imported hash needs a rehash even if its parameters are the current ones.
func TestHA03_ImportedArgon2idIsAlwaysRehashed(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	stored, err := h.Import(t.Context(), password.Foreign{Argon2: &password.Argon2{PHC: mustHash(t, h, "vast otter sings low")}})
	if err != nil {
		t.Fatal(err)
	}
	if ok, rehash := verify(t, h, stored, "vast otter sings low"); !ok || !rehash {
		t.Errorf("%v, %v, want a rehash", ok, rehash)
	}
}

func TestHA06_CostsAreCappedAtImport(t *testing.T) {
	const tail = "$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA"
	const bc = "$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
	tag, salt := make([]byte, 32), []byte("salt")
	phpass := "eRo7ud9Fh4E2PdI0S3r.L0"
	for _, tt := range []struct {
		name  string
		f     password.Foreign
		field string // "" means allowed
	}{
		{"none", password.Foreign{}, "Foreign"},
		{"two", password.Foreign{MD5: &password.MD5{}, SHA: &password.SHA{}}, "Foreign"},

		{"bcrypt 14", password.Foreign{Bcrypt: &password.Bcrypt{Hash: "$2b$14" + bc}}, ""},
		{"bcrypt 15", password.Foreign{Bcrypt: &password.Bcrypt{Hash: "$2b$15" + bc}}, "Bcrypt.Hash"},
		{"bcrypt 31", password.Foreign{Bcrypt: &password.Bcrypt{Hash: "$2b$31" + bc}}, "Bcrypt.Hash"},
		{"bcrypt 5", password.Foreign{Bcrypt: &password.Bcrypt{Hash: "$2b$05" + bc}}, ""},
		{"bcrypt 4", password.Foreign{Bcrypt: &password.Bcrypt{Hash: "$2b$04" + bc}}, "Bcrypt.Hash"},
		{"bcrypt 3", password.Foreign{Bcrypt: &password.Bcrypt{Hash: "$2b$03" + bc}}, "Bcrypt.Hash"},
		{"bcrypt 2x", password.Foreign{Bcrypt: &password.Bcrypt{Hash: "$2x$12" + bc}}, "Bcrypt.Hash"},
		{"bcrypt without the dollar", password.Foreign{Bcrypt: &password.Bcrypt{Hash: "$2b$12C" + bc[1:]}}, "Bcrypt.Hash"},
		{"bcrypt letters", password.Foreign{Bcrypt: &password.Bcrypt{Hash: "$2b$12" + bc[:53] + "!"}}, "Bcrypt.Hash"},

		{"argon2 256 MiB, 10", password.Foreign{Argon2: &password.Argon2{PHC: "$argon2id$v=19$m=262144,t=10,p=1" + tail}}, ""},
		{"argon2 too much memory", password.Foreign{Argon2: &password.Argon2{PHC: "$argon2id$v=19$m=262145,t=10,p=1" + tail}}, "Argon2.PHC"},
		{"argon2 11 passes", password.Foreign{Argon2: &password.Argon2{PHC: "$argon2id$v=19$m=65536,t=11,p=1" + tail}}, "Argon2.PHC"},
		{"argon2d", password.Foreign{Argon2: &password.Argon2{PHC: "$argon2d$v=19$m=65536,t=3,p=1" + tail}}, "Argon2.PHC"},
		{"argon2 with keyid", password.Foreign{Argon2: &password.Argon2{PHC: "$argon2id$v=19$m=65536,t=3,p=1,keyid=a" + tail}}, "Argon2.PHC"},
		{"argon2 both ways", password.Foreign{Argon2: &password.Argon2{PHC: "$argon2id$v=19$m=65536,t=3,p=1" + tail, Memory: 1}}, "Argon2.PHC"},
		{"argon2 parts, memory", password.Foreign{Argon2: &password.Argon2{Hash: tag, Salt: salt, Memory: 1 << 40, Iterations: 1, Threads: 1}}, "Argon2.Memory"},
		{"argon2 parts, passes", password.Foreign{Argon2: &password.Argon2{Hash: tag, Salt: salt, Memory: 1024, Iterations: 1<<32 + 1, Threads: 1}}, "Argon2.Iterations"},
		{"argon2 parts, threads", password.Foreign{Argon2: &password.Argon2{Hash: tag, Salt: salt, Memory: 1024, Iterations: 1, Threads: 257}}, "Argon2.Threads"},
		{"argon2 parts, no threads", password.Foreign{Argon2: &password.Argon2{Hash: tag, Salt: salt, Memory: 1024, Iterations: 1}}, "Argon2.Threads"},
		{"argon2 parts, no passes", password.Foreign{Argon2: &password.Argon2{Hash: tag, Salt: salt, Memory: 1024, Threads: 1}}, "Argon2.Iterations"},
		{"argon2 parts, no memory", password.Foreign{Argon2: &password.Argon2{Hash: tag, Salt: salt, Memory: 7, Iterations: 1, Threads: 1}}, "Argon2.Memory"},
		{"argon2 parts, little memory", password.Foreign{Argon2: &password.Argon2{Hash: tag, Salt: salt, Memory: 8, Iterations: 1, Threads: 2}}, "Argon2"},
		{"argon2 parts, most of all", password.Foreign{Argon2: &password.Argon2{Hash: tag, Salt: salt, Memory: 262144, Iterations: 10, Threads: 64}}, ""},
		{"argon2 parts, over the memory", password.Foreign{Argon2: &password.Argon2{Hash: tag, Salt: salt, Memory: 262145, Iterations: 10, Threads: 64}}, "Argon2.Memory"},
		{"argon2 parts, over the passes", password.Foreign{Argon2: &password.Argon2{Hash: tag, Salt: salt, Memory: 262144, Iterations: 11, Threads: 64}}, "Argon2.Iterations"},
		{"argon2 parts, over the threads", password.Foreign{Argon2: &password.Argon2{Hash: tag, Salt: salt, Memory: 262144, Iterations: 10, Threads: 65}}, "Argon2.Threads"},
		{"argon2 PHC and variant", password.Foreign{Argon2: &password.Argon2{PHC: "$argon2id$v=19$m=65536,t=3,p=1" + tail, Variant: "argon2id"}}, "Argon2.PHC"},
		{"argon2 PHC and hash", password.Foreign{Argon2: &password.Argon2{PHC: "$argon2id$v=19$m=65536,t=3,p=1" + tail, Hash: tag}}, "Argon2.PHC"},
		{"argon2 PHC and salt", password.Foreign{Argon2: &password.Argon2{PHC: "$argon2id$v=19$m=65536,t=3,p=1" + tail, Salt: salt}}, "Argon2.PHC"},
		{"argon2 PHC and passes", password.Foreign{Argon2: &password.Argon2{PHC: "$argon2id$v=19$m=65536,t=3,p=1" + tail, Iterations: 3}}, "Argon2.PHC"},
		{"argon2 PHC and threads", password.Foreign{Argon2: &password.Argon2{PHC: "$argon2id$v=19$m=65536,t=3,p=1" + tail, Threads: 1}}, "Argon2.PHC"},
		{"argon2 PHC, text before it", password.Foreign{Argon2: &password.Argon2{PHC: "x$argon2id$v=19$m=65536,t=3,p=1" + tail}}, "Argon2.PHC"},
		{"argon2 PHC, no fields", password.Foreign{Argon2: &password.Argon2{PHC: "argon2id"}}, "Argon2.PHC"},
		{"argon2 parts, variant", password.Foreign{Argon2: &password.Argon2{Variant: "argon2d"}}, "Argon2.Variant"},
		{"argon2 parts, no hash", password.Foreign{Argon2: &password.Argon2{Salt: salt, Memory: 1024, Iterations: 1, Threads: 1}}, "Argon2"},

		{"pbkdf2 2,000,000", password.Foreign{PBKDF2: &password.PBKDF2{Type: "sha256", Hash: tag, Salt: salt, Iterations: 2_000_000}}, ""},
		{"pbkdf2 2,000,001", password.Foreign{PBKDF2: &password.PBKDF2{Type: "sha256", Hash: tag, Salt: salt, Iterations: 2_000_001}}, "PBKDF2.Iterations"},
		{"pbkdf2 two blocks", password.Foreign{PBKDF2: &password.PBKDF2{Type: "sha1", Hash: tag, Salt: salt, Iterations: 1_000_001}}, "PBKDF2.Iterations"},
		{"pbkdf2 none", password.Foreign{PBKDF2: &password.PBKDF2{Type: "sha256", Hash: tag, Salt: salt}}, "PBKDF2.Iterations"},
		{"pbkdf2 md5", password.Foreign{PBKDF2: &password.PBKDF2{Type: "md5", Hash: tag, Salt: salt, Iterations: 1}}, "PBKDF2.Type"},
		{"pbkdf2 no hash", password.Foreign{PBKDF2: &password.PBKDF2{Type: "sha1", Salt: salt, Iterations: 1}}, "PBKDF2"},

		{"scrypt 256 MiB", password.Foreign{Scrypt: &password.Scrypt{N: 1 << 18, R: 7, P: 1, Hash: tag, Salt: salt}}, ""},
		{"scrypt over 256 MiB", password.Foreign{Scrypt: &password.Scrypt{N: 1 << 18, R: 8, P: 1, Hash: tag, Salt: salt}}, "Scrypt"},
		{"scrypt N", password.Foreign{Scrypt: &password.Scrypt{N: 1000, R: 8, P: 1, Hash: tag, Salt: salt}}, "Scrypt"},
		{"scrypt overflow", password.Foreign{Scrypt: &password.Scrypt{N: 1 << 62, R: 1 << 31, P: 1, Hash: tag, Salt: salt}}, "Scrypt"},
		{"scrypt work", password.Foreign{Scrypt: &password.Scrypt{N: 1 << 16, R: 8, P: 64, Hash: tag, Salt: salt}}, "Scrypt"},

		{"firebase memory", password.Foreign{Firebase: &password.Firebase{Memory: 20, Rounds: 8, Hash: tag, SignerKey: tag}}, "Firebase.Memory"},
		{"firebase no signer key", password.Foreign{Firebase: &password.Firebase{Memory: 14, Rounds: 8}}, "Firebase.SignerKey"},
		{"firebase, the shortest key", password.Foreign{Firebase: &password.Firebase{Memory: 14, Rounds: 8, Hash: tag[:16], SignerKey: tag[:16]}}, ""},
		{"firebase, less memory", password.Foreign{Firebase: &password.Firebase{Memory: -1, Rounds: 1, Hash: tag[:16], SignerKey: tag[:16]}}, "Firebase.Memory"},
		{"firebase lengths", password.Foreign{Firebase: &password.Firebase{Memory: 14, Rounds: 8, Hash: tag[:31], SignerKey: tag}}, "Firebase.Hash"},

		{"django unusable", password.Foreign{Django: &password.Django{Hash: "!abcdefgh"}}, "Django.Hash"},
		{"django iterations", password.Foreign{Django: &password.Django{Hash: "pbkdf2_sha256$2000001$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c="}}, "Django.Hash"},
		{"django bcrypt cost", password.Foreign{Django: &password.Django{Hash: "bcrypt_sha256$$2b$31" + bc}}, "Django.Hash"},
		{"django scrypt", password.Foreign{Django: &password.Django{Hash: "scrypt$1073741824$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TA=="}}, "Django.Hash"},
		{"django scrypt cost", password.Foreign{Django: &password.Django{Hash: "scrypt$x$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TA=="}}, "Django.Hash"},
		{"django scrypt hash", password.Foreign{Django: &password.Django{Hash: "scrypt$16384$seasalt$8$1$!"}}, "Django.Hash"},
		{"django scrypt fields", password.Foreign{Django: &password.Django{Hash: "scrypt$16384$seasalt$8$1"}}, "Django.Hash"},
		{"django pbkdf2 cost", password.Foreign{Django: &password.Django{Hash: "pbkdf2_sha256$x$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c="}}, "Django.Hash"},
		{"django pbkdf2 hash", password.Foreign{Django: &password.Django{Hash: "pbkdf2_sha256$390000$seasalt$!"}}, "Django.Hash"},
		{"django pbkdf2, read", password.Foreign{Django: &password.Django{Hash: "pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c="}}, ""},
		{"django scrypt, read", password.Foreign{Django: &password.Django{Hash: "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw=="}}, ""},
		{"django fields", password.Foreign{Django: &password.Django{Hash: "pbkdf2_sha256$1"}}, "Django.Hash"},

		{"phpass 2^21", password.Foreign{PHPass: &password.PHPass{Hash: phpass, Salt: "IQRaTwmf", Iterations: 21}}, "PHPass"},
		{"phpass 6", password.Foreign{PHPass: &password.PHPass{Hash: phpass, Salt: "IQRaTwmf", Iterations: 6}}, "PHPass"},
		{"phpass 1000", password.Foreign{PHPass: &password.PHPass{Hash: phpass, Salt: "IQRaTwmf", Iterations: 1000}}, "PHPass.Iterations"},
		{"phpass negative", password.Foreign{PHPass: &password.PHPass{Hash: phpass, Salt: "IQRaTwmf", Iterations: -1}}, "PHPass"},
		{"phpass salt", password.Foreign{PHPass: &password.PHPass{Hash: phpass, Salt: "IQ$aTwmf", Iterations: 11}}, "PHPass"},
		{"phpass cost letter", password.Foreign{PHPass: &password.PHPass{Hash: "$P$zIQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"}}, "PHPass.Hash"},
		{"phpass short", password.Foreign{PHPass: &password.PHPass{Hash: "$P$9"}}, "PHPass.Hash"},

		{"md5 length", password.Foreign{MD5: &password.MD5{Hash: "04e6"}}, "MD5.Hash"},
		{"md5 digits", password.Foreign{MD5: &password.MD5{Hash: strings.Repeat("x", 32)}}, "MD5.Hash"},
		{"md5 salt", password.Foreign{MD5: &password.MD5{Hash: strings.Repeat("0", 32), Salt: make([]byte, 257)}}, "MD5.Salt"},
		{"sha type", password.Foreign{SHA: &password.SHA{Type: "sha384", Hash: strings.Repeat("0", 96)}}, "SHA.Type"},
		{"sha length", password.Foreign{SHA: &password.SHA{Type: "sha1", Hash: strings.Repeat("0", 64)}}, "SHA.Hash"},
	} {
		h := newHasher(t, password.HasherConfig{})
		stored, err := h.Import(t.Context(), tt.f)
		var e *password.ImportError
		switch {
		case tt.field == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.field != "" && (!errors.As(err, &e) || e.Field != tt.field || stored != ""):
			t.Errorf("%s: %q, %v, want an error about %s", tt.name, stored, err, tt.field)
		}
		if h.Count() != 0 {
			t.Errorf("%s: %d computations at import", tt.name, h.Count())
		}
	}
}
