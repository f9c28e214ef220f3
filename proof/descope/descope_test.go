package descope

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/descope/go-sdk/descope"
	"github.com/descope/go-sdk/descope/client"
	"golang.org/x/crypto/argon2"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/proof/descope/calls"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// The functions of the guide for passwords work with the SDK, unmodified.
func TestDE25_PasswordsWithTheSDK(t *testing.T) { calls.Modes(t, calls.Passwords) }

// The functions that check, refresh and end sessions work with the SDK, unmodified.
func TestDE26_SessionsWithTheSDK(t *testing.T) { calls.Modes(t, calls.Sessions) }

// The SDK reads a limit, and what it repeats after a 503 happens once.
func TestDE27_LimitsAndRepetitionsWithTheSDK(t *testing.T) { calls.Limits(t, true) }

// The SDK and the claims of this module agree about roles in tenants.
func TestDE29_TenantsWithTheSDK(t *testing.T) { calls.Modes(t, calls.Tenants) }

// The management functions work with the SDK, unmodified.
func TestDM12_ManagementWithTheSDK(t *testing.T) { calls.Modes(t, calls.Manage) }

// A backend gets a token for a link of its own, and the token signs in once. Old releases of the
// SDK pass no lifetime.
func TestDE36_EmbeddedLinksWithTheSDK(t *testing.T) {
	w := calls.NewWorld(t, calls.Mode{Store: calls.SQLite})
	users, verify := w.NewClient(client.Config{ManagementKey: calls.ManagementKey}).Management.User(), w.Client.Auth.MagicLink().Verify
	if _, err := users.Create(t.Context(), "ida@example.com", &descope.UserRequest{}); err != nil {
		t.Fatal(err)
	}
	token, err := users.GenerateEmbeddedLink(t.Context(), "ida@example.com", nil, 60)
	if err != nil {
		t.Fatal(err)
	}
	in, err := verify(t.Context(), token, nil)
	if err != nil || in.User.LoginIDs[0] != "ida@example.com" || in.SessionToken == nil || in.RefreshToken == nil {
		t.Fatalf("%+v, %v", in, err)
	}
	_, err = verify(t.Context(), token, nil)
	calls.WantCode(t, err, "E062504", 401)
	_, err = users.GenerateEmbeddedLink(t.Context(), "ida@example.com", map[string]any{"admin": true}, 0)
	calls.WantCode(t, err, "E011003", 400)
}

// What only a recent release of the SDK has: further hashes, and calls about many users. A
// batch whose answer is lost, and which the SDK repeats, creates nobody twice.
func TestDM13_BatchesWithTheSDK(t *testing.T) {
	w := calls.NewWorld(t, calls.Mode{Store: calls.SQLite})
	users := w.NewClient(client.Config{ManagementKey: calls.ManagementKey}).Management.User()
	hashed := func(id string, h descope.BatchUserPasswordHashed) *descope.BatchUser {
		return &descope.BatchUser{LoginID: id, Password: &descope.BatchUserPassword{Hashed: &h}}
	}
	salt := []byte("somesaltsomesalt")
	sum := sha256.Sum256(append(slices.Clone(salt), calls.First...))
	list := []*descope.BatchUser{
		hashed("argon2", descope.BatchUserPasswordHashed{Argon2: &descope.BatchUserPasswordArgon2{
			Hash: argon2.IDKey([]byte(calls.First), salt, 3, 19456, 1, 32), Salt: salt, Iterations: 3, Memory: 19456, Threads: 1,
		}}),
		hashed("sha", descope.BatchUserPasswordHashed{Sha: &descope.BatchUserPasswordSha{Type: "sha256", Hash: hex.EncodeToString(sum[:]), Salt: hex.EncodeToString(salt)}}),
	}
	w.Answer(503, -503)
	made, err := users.CreateBatch(t.Context(), list)
	if err != nil || len(made.CreatedUsers) != 0 || len(made.FailedUsers) != 2 || w.Requests() != 3 {
		t.Fatalf("%+v, %v after %d requests", made, err, w.Requests())
	}
	w.Answer()
	var ids []string
	for _, u := range list {
		in, err := w.Client.Auth.Password().SignIn(t.Context(), u.LoginID, calls.First, nil)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, in.User.UserID)
	}
	loaded, total, err := users.LoadUsers(t.Context(), append(ids, "nobody"), true)
	if err != nil || len(loaded) != 2 || total != 2 {
		t.Errorf("loaded %v of %d users, %v", loaded, total, err)
	}
	moved, err := users.UpdateEmail(t.Context(), ids[0], "new@example.com", true, true)
	if err != nil || moved.Email != "new@example.com" || !moved.VerifiedEmail {
		t.Errorf("%+v, %v", moved, err)
	}
	w.Answer(-503)
	if err := users.DeleteBatch(t.Context(), ids); err != nil {
		t.Error(err)
	}
	if _, total, err := users.SearchAll(t.Context(), nil); err != nil || total != 0 {
		t.Errorf("%d users are left, %v", total, err)
	}
}

// The Go code of the guide compiles with the SDK.
func TestDE32_TheGuideCompilesWithTheSDK(t *testing.T) { calls.Guide(t) }

// The SDK verifies the tokens of each algorithm, and follows a new signing key.
func TestDE33_KeysWithTheSDK(t *testing.T) { calls.Keys(t) }

// The addresses that a trusted backend forwards have limits of their own.
func TestDE34_AddressesWithTheSDK(t *testing.T) { calls.Addresses(t) }

// A browser keeps the cookies that the SDK sets on the host of the application.
func TestDE35_CookieDomainsWithTheSDK(t *testing.T) { calls.CookieDomains(t) }
