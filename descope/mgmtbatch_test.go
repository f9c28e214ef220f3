package descope_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/webtest"
)

// lists returns the login ids of the created users, and the failures with the login id
// before each.
func (a answer) lists() (created []string, failed map[string]string) {
	a.t.Helper()
	var body struct {
		CreatedUsers []struct{ LoginIDs []string }
		FailedUsers  []struct {
			Failure string
			User    struct{ LoginIDs []string }
		}
	}
	if err := json.Unmarshal([]byte(a.text), &body); err != nil {
		a.t.Fatal(err)
	}
	failed = map[string]string{}
	for _, u := range body.CreatedUsers {
		created = append(created, u.LoginIDs[0])
	}
	for _, f := range body.FailedUsers {
		id := strings.Join(f.User.LoginIDs, " ")
		for failed[id] != "" {
			id += "'"
		}
		failed[id] = f.Failure
	}
	return created, failed
}

// Hashes of other systems in Descope's form, which the vectors of package password are put
// into, sign in.
func TestDM08_ABatchTakesHashesInDescopesForm(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: webtest.Unlimited, config: patient})
	data, err := os.ReadFile("../password/testdata/foreign.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Password, Pepper string
		Hash                   map[string]map[string]any
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	var users []string
	passwords, formats := map[string]string{}, map[string]bool{}
	for i, v := range vectors {
		for format, members := range v.Hash {
			if format == "sha" {
				salt, _ := base64.StdEncoding.DecodeString(members["salt"].(string))
				members["salt"] = hex.EncodeToString(salt)
			}
			// What Descope cannot say.
			if v.Pepper != "" || members["phc"] != nil || members["encoded"] != nil || members["saltAfter"] != nil ||
				format == "scrypt" || format == "spring" || format == "aspnet" || format == "md5" && members["salt"] != nil || formats[format] {
				continue
			}
			hash, _ := json.Marshal(v.Hash)
			id := fmt.Sprintf("user%d@example.com", i)
			formats[format], passwords[id] = true, v.Password
			users = append(users, fmt.Sprintf(`{"loginId": %q, "verifiedEmail": true, "hashedPassword": %s}`, id, hash))
		}
	}
	a := k.mgmt("/create/batch", `{"users": [`+strings.Join(users, ",")+`]}`).want(200, "")
	if created, failed := a.lists(); len(created) != len(passwords) || len(failed) != 0 || len(formats) != 8 {
		t.Fatalf("%d of %d users with %d formats: %s", len(created), len(passwords), len(formats), a.text)
	}
	for id, pw := range passwords {
		k.post("/v1/auth/password/signin", project, credentials(id, pw+"z")).want(401, "E062902")
		k.post("/v1/auth/password/signin", project, credentials(id, pw)).want(200, "").wantMembers(map[string]string{"user.password": "true"})
	}
	if len(k.Inbox()) != 0 {
		t.Error("an email was sent")
	}
}

func TestDM09_ABatchAnswersWithEveryUserOnce(t *testing.T) {
	onEachStore(t, func(t *testing.T, k *kit) {
		k.signUp(ann)
		before := len(k.Inbox())
		const batch = `{"users": [
			{"loginId": "bob@example.com", "password": "vast otter sings low", "displayName": "Bob", "status": "disabled"},
			{"loginId": "BOB@example.com"},
			{"loginId": "ann@example.com"},
			{"loginId": "carl", "hashedPassword": {"bcrypt": {"hash": "$9$what"}}},
			{"loginId": "dora", "hashedPassword": {"sha": {"hash": "00", "salt": "x", "type": "sha1"}}},
			{"loginId": "eve", "hashedPassword": {"bcrypt": {"hash": "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}, "md5": {"hash": ""}}},
			{"loginId": "fay", "password": "short"},
			{"loginId": "gus", "roleNames": "admin"},
			{"loginId": "hal", "seed": "JBSWY3DPEHPK3PXP"},
			{"loginId": "ida", "hashedPassword": {"md4": {"hash": "00"}}},
			{"loginId": "kai", "password": "vast otter sings low", "hashedPassword": {"md5": {"hash": "04e610b3133ef73dca5dd2fd9358e729"}}},
			{"email": "x@example.com"}, "user", null,
			{"loginId": "liz", "roleNames": null, "userTenants": null, "customAttributes": null, "additionalLoginIds": null, "ssoAppIDs": null}
		]}`
		a := k.mgmt("/create/batch", batch).want(200, "")
		created, failed := a.lists()
		if strings.Join(created, " ") != "bob@example.com liz" || len(created)+len(failed) != 15 {
			t.Fatalf("created %q, failed %q", created, failed)
		}
		for id, want := range map[string]string{
			"BOB@example.com": "User already exists", "ann@example.com": "User already exists", "carl": "hashedPassword: Bcrypt.Hash: is not $2a$, $2b$ or $2y$",
			"dora": "hashedPassword: SHA.Salt: must have hexadecimal digits", "eve": "hashedPassword: Foreign: has 2 formats set, must have exactly one",
			"fay": "fewer than 15 characters", "gus": "roleNames: must be an array of texts", "hal": "seed: is not served", "ida": "hashedPassword: md4: is not a member",
			"kai": "password: must be given in clear or as a hash, not both", "": "loginId: must not be empty", "'": "must have objects", "''": "must have objects",
		} {
			if !strings.Contains(failed[id], want) {
				t.Errorf("%q: %q, want %q", id, failed[id], want)
			}
		}
		if strings.Contains(a.text, "otter") || strings.Contains(a.text, "$9$") {
			t.Errorf("the answer repeats a password: %s", a.text)
		}
		k.post("/v1/auth/password/signin", project, credentials(bob, "vast otter sings low")).want(403, "E062903")
		// Again: nobody is created twice, and the lists still have every user.
		if created, again := k.mgmt("/create/batch", batch).want(200, "").lists(); len(created) != 0 || len(again) != 15 || again["liz"] != "User already exists" {
			t.Errorf("again: %q, %q", created, again)
		}
		if n := len(k.Inbox()) - before; n != 0 {
			t.Errorf("%d emails without an invitation", n)
		}
		for _, body := range []string{`{"users": [` + strings.Repeat(`{},`, 500) + `{}]}`, `{"users": {}}`} {
			k.mgmt("/create/batch", body).want(400, "E011003")
		}
		k.mgmt("/create/batch", `{"users": null}`).want(200, "").wantMembers(map[string]string{"createdUsers": "[]", "failedUsers": "[]"})
		k.mgmt("/create/batch", `{"x": "`+strings.Repeat("x", 4<<20)+`"}`).want(413, "E062917")
	})
}

func TestDM10_OnlyAnInvitationSendsEmail(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: func(c *usher.Config) { c.Redirects = []string{"https://shop.test"} }})
	kinds := func() string {
		var all []string
		for _, m := range k.Inbox() {
			all = append(all, string(m.Kind)+" "+m.UserID)
		}
		return strings.Join(all, ", ")
	}
	for _, silent := range []string{`"invite": false`, `"sendMail": true`, `"invite": true, "sendMail": false`, `"inviteUrl": "https://shop.test/join"`} {
		k.mgmt("/create", `{"loginId": "u`+fmt.Sprint(len(silent))+`@example.com", `+silent+`}`).want(200, "")
	}
	if got := kinds(); got != "" {
		t.Fatalf("emails: %s", got)
	}
	a := k.mgmt("/create/batch", `{"users": [{"loginId": "ann@example.com"}, {"loginId": "nameonly"}, {"loginId": "off@example.com", "status": "disabled"}],
		"invite": true, "sendMail": true, "inviteUrl": "https://shop.test/join", "templateOptions": {"a": "b"}, "locale": "de"}`).want(200, "")
	if created, failed := a.lists(); strings.Join(created, " ") != ann || len(failed) != 2 || !strings.Contains(failed["nameonly"], "needs an email address") {
		t.Fatalf("%s", a.text)
	}
	inbox := k.Inbox()
	if len(inbox) != 1 || inbox[0].Kind != usher.MessageInvitation || inbox[0].Language != "de" || !strings.HasPrefix(inbox[0].Link.Reveal(), "https://shop.test/join?t=") {
		t.Errorf("emails: %+v", inbox)
	}
	k.mgmt("/create", `{"loginId": "bob@example.com", "invite": true, "inviteUrl": "https://evil.test"}`).want(400, "E011003")
	k.mgmt("/create", `{"loginId": "bob@example.com"}`).want(200, "")
}

// A batch that an outage stops answers with what was done. The same batch again creates the
// others, and nobody twice.
func TestDM11_AnOutageStopsABatchAndTheAnswerSaysWhere(t *testing.T) {
	t.Parallel()
	var users []string
	for i := range 10 {
		users = append(users, fmt.Sprintf(`{"loginId": "user%d@example.com"}`, i))
	}
	batch := `{"users": [` + strings.Join(users, ",") + `]}`
	partly := 0
	for n := 1; n <= 15; n++ {
		faults := webtest.NewFaults()
		k := newKit(t, setup{store: faults})
		down := false
		faults.Arm(0, func(webtest.Ctx) error {
			if faults.Calls >= n || down { // from the nth call on
				down = true
				return errors.New("out of reach")
			}
			return nil
		})
		a := k.mgmt("/create/batch", batch)
		faults.Fail(nil)
		created, failed := []string{}, map[string]string{}
		if a.status == 503 {
			a.want(503, "E062998")
		} else if created, failed = a.want(200, "").lists(); len(created)+len(failed) != 10 || len(created) == 0 {
			t.Errorf("call %d: %s", n, a.text)
		}
		if len(created) > 0 && len(failed) > 0 {
			partly++
		}
		for id, why := range failed {
			if !strings.Contains(why, "send this user again") {
				t.Errorf("%s: %s", id, why)
			}
		}
		again, existing := k.mgmt("/create/batch", batch).want(200, "").lists()
		if len(again) != 10-len(created) || len(existing) != len(created) {
			t.Errorf("call %d: created %q, then %q", n, created, again)
		}
	}
	if partly < 3 {
		t.Errorf("%d batches were stopped in the middle", partly)
	}
}
