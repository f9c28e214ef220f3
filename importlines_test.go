package usher_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

// importLines imports lines, and returns the result and the failures, a line each.
func (k *kit) importLines(in usher.ImportParams) (usher.ImportResult, string, error) {
	k.t.Helper()
	var refused strings.Builder
	in.OnFailure = func(f usher.ImportFailure) {
		if f.Err == nil {
			k.t.Errorf("line %d has no error", f.Line)
		}
		fmt.Fprintf(&refused, "%d|%s|%s|%s\n", f.Line, f.LoginID, f.Field, f.Reason)
	}
	result, err := k.Operator("ops:test").Import(ctx, in)
	return result, refused.String(), err
}

func TestAD07_SU10_AnImportReportsEachRefusedLine(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUp(ann)
	bcryptHash := string(usher.Must(bcrypt.GenerateFromPassword([]byte(goodPassword), bcrypt.MinCost+1)))
	lines := "\ufeff" + strings.Join([]string{
		`{"loginIds": ["bob@example.com"], "name": "Bob", "hash": {"bcrypt": {"hash": "` + bcryptHash + `"}}, "createdAt": "2020-01-02T03:04:05.678Z"}`,
		`{"loginIds": ["BOB@example.com"]}`,
		``,
		`{"loginIds": [" aNN@Example.com"]}`,
		`{"loginIds": ["carl", "bob@example.com"]}`,
		`{"loginIds": ["dora"], "hash": {"bcrypt": {"hash": "$9$what"}}}`,
		`{"loginIds": ["dora"], "storedHash": "what"}`,
		`{"loginIds": ["dora"], "password": "short"}`,
		`{"loginIds": ["dora"], "emailVerfied": true}`,
		`{"loginIds": ["dora"], "roles": "admin"}`,
		`{"loginIds": ["dora"], "createdAt": "yesterday"}`,
		`{"loginIds": ["dora"], "createdAt": 7}`,
		`{"loginIds": ["dora"], "id": "a b"}`,
		`{"loginIds": ["dora"]`,
		`["dora"]`, `null`, `{} {}`, "{\"loginIds\": [\"\xff\"]}",
		`{"loginIds": ["dora", "Dora"]}`,
		`{"name": "` + strings.Repeat("x", 1<<20) + `"}`,
		`{"loginIds": ["eve@example.com"], "disabled": true, "emailVerified": true, "id": "eve-1"}`,
		`{"loginIds": ["fay"], "id": "eve-1"}`,
		`{"loginIds": ["gus"], "passwordExpired": true}`,
		`{"loginIds": ["hal"], "password": "` + goodPassword + `", "passwordExpired": true}`, `{"loginIds": ["ida"], "passwordLeaked": true}`,
	}, "\r\n")
	const want = `2|BOB@example.com|loginIds|another user has one of the login ids
4| aNN@Example.com|loginIds|another user has one of the login ids
5|carl|loginIds|another user has one of the login ids
6|dora|hash|Bcrypt.Hash: `
	k.events.reset()
	dry, dryRefused, err := k.importLines(usher.ImportParams{Users: strings.NewReader(lines), DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	k.wantEvents("")
	first, refused, err := k.importLines(usher.ImportParams{Users: iotest.OneByteReader(strings.NewReader(lines))})
	if err != nil {
		t.Fatal(err)
	}
	if first != (usher.ImportResult{Imported: 3, Refused: 21, NextLine: 26}) || dry != first {
		t.Errorf("the result is %+v, the dry run's %+v:\n%s", first, dry, refused)
	}
	if !strings.HasPrefix(refused, want) {
		t.Errorf("refused:\n%s", refused)
	}
	// In the dry run the id is found among earlier lines, and in the import among the users.
	if d := strings.Replace(dryRefused, "22|fay|loginIds|another user has one of the login ids", "22|fay|id|must not be the id of another user", 1); d != refused {
		t.Errorf("the dry run says\n%s\nthe import\n%s", dryRefused, refused)
	}
	for _, line := range []string{
		"7|dora|storedHash|", "8|dora|password|", "9|dora|emailVerfied|", "10|dora|roles|", "11|dora|createdAt|", "12|dora|createdAt|", "13|dora|id|",
		"14|||", "15|||", "16|||", "17|||", "18|||", "19|dora|loginIds|must not have one login id twice", "20|||the line is longer than 1 MiB",
		"22|fay|id|", "23|gus|passwordExpired|", "25|ida|passwordLeaked|",
	} {
		if !strings.Contains(refused, "\n"+line) {
			t.Errorf("no failure %q in\n%s", line, refused)
		}
	}
	if strings.Contains(refused, "$9$") || strings.Contains(refused, "short") {
		t.Errorf("a failure repeats a password or a hash:\n%s", refused)
	}
	bob := k.account("bob@example.com").User
	if !bob.CreatedAt.Equal(time.Date(2020, 1, 2, 3, 4, 5, 678000000, time.UTC)) || bob.Name != "Bob" {
		t.Errorf("bob is %+v", bob)
	}
	k.signIn("bob@example.com", goodPassword, home)
	wantErr(t, k.trySignIn("hal", goodPassword, home), usher.ErrPasswordExpired)
	if e := k.account("eve@example.com").User; e.ID != "eve-1" || e.Status != usher.StatusDisabled || !e.EmailVerified {
		t.Errorf("eve is %+v", e)
	}
	k.wantEmails("verify_email") // of the sign-up

	second, again, err := k.importLines(usher.ImportParams{Users: strings.NewReader(lines)})
	if err != nil || second != (usher.ImportResult{Existing: 3, Refused: 21, NextLine: 26}) || again != refused {
		t.Errorf("the second import: %+v, %v\n%s", second, err, again)
	}
	for _, id := range []string{"bob@example.com", "eve@example.com", "hal"} {
		if err := k.Operator("test").Delete(ctx, k.account(id).User.ID); err != nil {
			t.Fatal(err)
		}
	}
	if third, _, err := k.importLines(usher.ImportParams{Users: strings.NewReader(lines)}); err != nil || third != first {
		t.Errorf("after the users were deleted: %+v, %v", third, err)
	}
}

// failing is a store that is not reachable while down is true.
type failing struct {
	store.Store
	creations, failAt int
}

func (f *failing) CreateUser(ctx context.Context, c store.UserCreation) ([]store.Event, error) {
	if f.creations++; f.creations == f.failAt {
		return nil, errors.New("connection refused")
	}
	return f.Store.CreateUser(ctx, c)
}

func TestAD08_AnImportStopsAtAnOutageAndGoesOn(t *testing.T) {
	t.Parallel()
	f := &failing{Store: memory.New(), failAt: 500}
	k := newKitOn(t, f, newClock())
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "{\"loginIds\": [\"user%d@example.com\"]}\n", i)
	}
	in := usher.ImportParams{Users: strings.NewReader(b.String())}
	result, refused, err := k.importLines(in)
	if !errors.Is(err, usher.ErrUnavailable) || result != (usher.ImportResult{Imported: 499, NextLine: 500}) || refused != "" {
		t.Fatalf("result %+v, error %v, refused %q", result, err, refused)
	}
	rest, refused, err := k.importLines(usher.ImportParams{Users: strings.NewReader(b.String()), FromLine: result.NextLine})
	if err != nil || rest != (usher.ImportResult{Imported: 501, NextLine: 1001}) || refused != "" {
		t.Fatalf("the rest is %+v, error %v, refused %q", rest, err, refused)
	}
	broken := io.MultiReader(strings.NewReader("{\"loginIds\": [\"one\"]}\n{\"logi"), iotest.ErrReader(io.ErrClosedPipe))
	result, _, err = k.importLines(usher.ImportParams{Users: broken})
	if !errors.Is(err, io.ErrClosedPipe) || result != (usher.ImportResult{Imported: 1, NextLine: 2}) {
		t.Errorf("a reader that fails: %+v, %v", result, err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if r, err := k.Operator("o").Import(canceled, usher.ImportParams{Users: strings.NewReader(b.String())}); !errors.Is(err, context.Canceled) || r.NextLine != 1 {
		t.Errorf("a canceled import: %+v, %v", r, err)
	}
}

func TestAD09_AnExportIsImportedElsewhereAsItWas(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.signUpVerified(ann)
	o := k.Operator("ops:test")
	lines := strings.Join([]string{
		`{"loginIds": ["Bob@example.com", "bob"], "name": "<Böb> & Co", "phone": "1", "roles": ["a"], "permissions": ["p"], "attributes": {"n": 1.5, "l": [null]}}`,
		`{"loginIds": ["carl"], "disabled": true, "language": "he", "tenants": {"t": {"roles": ["x"], "permissions": []}}}`,
		`{"loginIds": ["dora"], "hash": {"md5": {"hash": "` + strings.Repeat("0", 32) + `"}}, "passwordExpired": true}`,
	}, "\n")
	if r, refused, err := k.importLines(usher.ImportParams{Users: strings.NewReader(lines)}); err != nil || r.Imported != 3 {
		t.Fatalf("%+v %v %s", r, err, refused)
	}
	k.importMany("many%d", 600) // more than one page
	k.events.reset()
	var out bytes.Buffer
	if err := o.Export(ctx, &out); err != nil {
		t.Fatal(err)
	}
	k.wantEvents("users_exported:operator")
	if e := usher.Must(o.Events(ctx, usher.EventQuery{Limit: 1})).Events[0]; e.Name != usher.EventUsersExported || e.Actor != "ops:test" {
		t.Errorf("the stored event is %+v", e)
	}
	other := newKit(t)
	exported := out.String()
	r, refused, err := other.importLines(usher.ImportParams{Users: strings.NewReader(exported)})
	if err != nil || r.Imported != 604 || refused != "" {
		t.Fatalf("%+v %v %s", r, err, refused)
	}
	for q := (usher.UserQuery{}); ; {
		page := usher.Must(o.Users(ctx, q))
		for _, u := range page.Users {
			a, b := usher.Must(k.store.Account(ctx, u.ID)), usher.Must(other.store.Account(ctx, u.ID))
			a.User.UpdatedAt, b.User.UpdatedAt = time.Time{}, time.Time{}
			a.Password.ChangedAt, b.Password.ChangedAt = time.Time{}, time.Time{}
			if was, is := string(usher.Must(json.Marshal(a))), string(usher.Must(json.Marshal(b))); was != is {
				t.Fatalf("exported\n%s\nimported\n%s", was, is)
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	other.signIn(ann, goodPassword, home)
	out.Reset()
	if err := newKitOn(t, k.store, k.clock).Operator("o").Export(ctx, iotest.TruncateWriter(&out, 10)); err != nil {
		t.Fatal(err)
	}
	if err := o.Export(ctx, failingWriter{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a writer that fails: %v", err)
	}

	peppered := newKit(t, func(c *usher.Config) {
		c.Hashing.Peppers = []password.Pepper{{ID: "p1", Key: []byte(secret2)}}
	})
	peppered.signUp(ann)
	out.Reset()
	if err := peppered.Operator("o").Export(ctx, &out); err != nil {
		t.Fatal(err)
	}
	if r, refused, _ := newKit(t).importLines(usher.ImportParams{Users: &out}); r.Refused != 1 || !strings.Contains(refused, `storedHash|needs the pepper "p1"`) {
		t.Errorf("without the pepper: %+v %s", r, refused)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// What a store cannot keep is a fault of the line or of the call, and not an outage, which
// would stop the import.
func TestAD07_NoInputLooksLikeAnOutage(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	o := k.Operator("test")
	in := usher.ImportUserParams{ID: "id-1", LoginIDs: []string{"one"}}
	u := usher.Must(o.ImportUser(ctx, in))
	if _, err := o.ImportUser(ctx, in); !errors.Is(err, usher.ErrLoginIDTaken) {
		t.Errorf("the same user again: %v", err)
	}
	_, err := o.ImportUser(ctx, usher.ImportUserParams{ID: "id-1", LoginIDs: []string{"two"}})
	wantField(t, err, "id")
	bad := []string{"a\x00b"}
	for field, p := range map[string]usher.UpdateUserParams{
		"roles": {Roles: &bad}, "permissions": {Permissions: &[]string{"\xff"}},
		"tenants": {Tenants: &map[string]token.Tenant{"t": {Roles: bad}}},
	} {
		_, err := o.UpdateUser(ctx, u.ID, p)
		wantField(t, err, field)
	}
	lines := strings.Join([]string{
		`{"loginIds": ["two"], "roles": ["a\u0000b"]}`, `{"loginIds": ["two"], "permissions": ["\u0007"]}`,
		`{"loginIds": ["two"], "tenants": {"\u0000": {}}}`, `{"loginIds": ["two"], "roles": ["Böse %"]}`,
	}, "\n")
	r, refused, err := k.importLines(usher.ImportParams{Users: strings.NewReader(lines)})
	if err != nil || r != (usher.ImportResult{Imported: 1, Refused: 3, NextLine: 5}) {
		t.Errorf("%+v, %v:\n%s", r, err, refused)
	}
	for _, want := range []string{"1|two|roles|", "2|two|permissions|", "3|two|tenants|"} {
		if !strings.Contains(refused, want) {
			t.Errorf("no failure %q in\n%s", want, refused)
		}
	}
}

// Two readers may take different ones of two members with one name.
func TestAD07_ALineWithAMemberTwiceIsRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	lines := strings.Join([]string{
		`{"loginIds": ["bob"], "roles": ["user"], "roles": ["admin"]}`,
		`{"loginIds": ["carl"], "emailVerified": false, "EMAILVERIFIED": true}`,
		`{"loginIds": ["dora"], "tenants": {"a": {"roles": ["admin"]}, "a": {}}}`,
		`{"loginIds": ["eve"], "attributes": {"a": {"b": 1}, "c": {"b": 2}}}`,
		`{"LOGINIDS": ["fay"]}`, `{"loginIds": ["gus"], "emailverified": true}`,
		`{"loginIds": ["hal"], "attributes": ` + strings.Repeat(`{"a":`, 40) + `{"b": 1, "b": 2}` + strings.Repeat("}", 41),
	}, "\n")
	const twice = "|the line has a member twice\n"
	result, refused, err := k.importLines(usher.ImportParams{Users: strings.NewReader(lines)})
	const capitals = "|is not a member of a user: the case of letters counts\n"
	if want := "1|bob|" + twice + "2|carl|" + twice + "3|dora|" + twice + "5|fay|LOGINIDS" + capitals + "6|gus|emailverified" + capitals +
		"7|hal||the line is nested deeper than 32\n"; err != nil || refused != want || result.Imported != 1 {
		t.Errorf("%+v, %v\n%s", result, err, refused)
	}
}

// Of many imports that name one new id at once, one creates the user. The others report
// the id, or that the user exists.
func TestAD07_ImportsOfOneNewIDAtOnce(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	kits := []*kit{k, k.secondInstance()}
	var created, imported, existing atomic.Int64
	concurrently(64, func(i int) {
		_, err := kits[i%2].Operator("test").ImportUser(ctx, usher.ImportUserParams{ID: "id-1", LoginIDs: []string{fmt.Sprintf("user-%d", i)}})
		var field *usher.FieldError
		switch {
		case err == nil:
			created.Add(1)
		case !errors.As(err, &field) || field.Field != "id":
			t.Errorf("another import of the id: %v", err)
		}
		line := strings.NewReader(`{"loginIds": ["bob"], "id": "id-2"}`)
		r, err := kits[i%2].Operator("test").Import(ctx, usher.ImportParams{Users: line})
		if err != nil || r.Refused > 0 {
			t.Errorf("the same line: %+v, %v", r, err)
		}
		imported.Add(int64(r.Imported))
		existing.Add(int64(r.Existing))
	})
	if created.Load() != 1 || imported.Load() != 1 || existing.Load() != 63 {
		t.Errorf("%d users with one id; of one line %d imported, %d existing", created.Load(), imported.Load(), existing.Load())
	}
}

// lateStore is a store that does not find users until their creation was tried.
type lateStore struct {
	store.Store
	late bool
}

func (s *lateStore) Account(ctx context.Context, id string) (store.Account, error) {
	if s.late {
		return store.Account{}, store.ErrNotFound
	}
	return s.Store.Account(ctx, id)
}

func (s *lateStore) AccountByLoginID(ctx context.Context, id string) (store.Account, error) {
	if s.late {
		return store.Account{}, store.ErrNotFound
	}
	return s.Store.AccountByLoginID(ctx, id)
}

func (s *lateStore) CreateUser(ctx context.Context, c store.UserCreation) ([]store.Event, error) {
	s.late = false
	return s.Store.CreateUser(ctx, c)
}

func TestAD07_AUserWhomAnotherImportCreatesMeanwhileIsNoOutage(t *testing.T) {
	t.Parallel()
	st := &lateStore{Store: memory.New()}
	k := newKitOn(t, st, newClock())
	read := func(line string) (usher.ImportResult, string) {
		t.Helper()
		r, refused, err := k.importLines(usher.ImportParams{Users: strings.NewReader(line)})
		if err != nil {
			t.Fatal(err)
		}
		st.late = true
		return r, refused
	}
	const line = `{"loginIds": ["bob"], "id": "id-2"}`
	read(line)
	if r, refused := read(line); r.Existing != 1 {
		t.Errorf("the same line: %+v\n%s", r, refused)
	}
	if _, refused := read(`{"loginIds": ["carl"], "id": "id-2"}`); !strings.HasPrefix(refused, "1|carl|id|") {
		t.Errorf("the id of another user: %s", refused)
	}
}

func TestHA09_HashesOfOtherProgramsAreReplacedAtTheFirstSignIn(t *testing.T) {
	t.Parallel()
	var vectors []struct {
		Name, Password, Pepper string
		Hash                   json.RawMessage
	}
	usher.Must(true, json.Unmarshal(usher.Must(os.ReadFile("password/testdata/foreign.json")), &vectors))
	var lines, pepper string
	for i, v := range vectors {
		pepper += v.Pepper // one of them has one
		lines += fmt.Sprintf("{\"loginIds\": [\"user%d\"], \"hash\": %s}\r\n", i, v.Hash)
	}
	k := newKit(t, func(c *usher.Config) {
		c.Hashing.ForeignPeppers = []password.Pepper{{ID: "devise", Key: []byte(pepper)}}
	})
	if r, refused, err := k.importLines(usher.ImportParams{Users: strings.NewReader(lines)}); err != nil || r.Imported != len(vectors) {
		t.Fatalf("%+v, %v\n%s", r, err, refused)
	}
	for i, v := range vectors {
		id, c := fmt.Sprintf("user%d", i), from(fmt.Sprintf("192.0.2.%d", i))
		k.signIn(id, usher.Secret(v.Password), c)
		if h := k.account(id).Password.Hash; !strings.HasPrefix(h, "$argon2id$") || strings.Contains(h, "keyid") {
			t.Errorf("%s: after the first sign-in the hash is %q", v.Name, h)
		}
	}
}
