package password

import "encoding/binary"

// ASPNet is a value from the column PasswordHash of ASP.NET Identity: version 2, or version
// 3 with any of its digests and numbers of iterations.
type ASPNet struct {
	// Hash is the whole value, in base64.
	Hash string
}

// The layouts of ASP.NET Identity. Version 2 is a 0, the salt and the hash. Version 3 is a
// 1, three numbers of four bytes (the digest, the iterations, the length of the salt), the
// salt and the hash.
const (
	aspnet2Iterations = 1000
	aspnet2Salt       = 16
	aspnet2Len        = 1 + aspnet2Salt + 32
	aspnet3Head       = 1 + 3*4
)

// convert translates to PBKDF2.
func (a *ASPNet) convert() (imported, error) {
	b, err := anyBase64(a.Hash)
	if err != nil {
		return imported{}, importErr("ASPNet.Hash", "is not base64")
	}
	var in PBKDF2
	switch {
	case len(b) == aspnet2Len && b[0] == 0:
		in = PBKDF2{Type: "sha1", Iterations: aspnet2Iterations, Salt: b[1 : 1+aspnet2Salt], Hash: b[1+aspnet2Salt:]}
	case len(b) > aspnet3Head && b[0] == 1:
		number := func(i int) uint32 { return binary.BigEndian.Uint32(b[1+4*i:]) }
		digests := []string{"sha1", "sha256", "sha512"}
		digest, iterations, saltLen := number(0), number(1), number(2)
		if digest >= uint32(len(digests)) {
			return imported{}, importErr("ASPNet.Hash", "names an unknown digest")
		}
		if saltLen > uint32(len(b)-aspnet3Head) {
			return imported{}, importErr("ASPNet.Hash", "is cut short")
		}
		rest := b[aspnet3Head:]
		in = PBKDF2{Type: digests[digest], Iterations: int(iterations), Salt: rest[:saltLen], Hash: rest[saltLen:]}
	default:
		return imported{}, importErr("ASPNet.Hash", "is not a hash of version 2 or 3")
	}
	return within("ASPNet.Hash", &in)
}
