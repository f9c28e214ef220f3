package calls

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	sdk "github.com/descope/go-sdk/descope"
	"github.com/descope/go-sdk/descope/client"
)

// Manage runs the management functions for users, with a client that has the key.
func Manage(t *testing.T, m Mode) {
	w := NewWorld(t, m)
	managed := w.NewClient(client.Config{ManagementKey: ManagementKey})
	users, pw := managed.Management.User(), w.Client.Auth.Password()

	_, err := w.NewClient(client.Config{ManagementKey: strings.Repeat("0", 48)}).Management.User().Load(ctx, Ann)
	WantCode(t, err, "E062913", 401)
	created, err := users.Create(ctx, Ann, &sdk.UserRequest{
		User: sdk.User{Name: "Ann A", GivenName: "Ann", Email: Ann, Phone: "+1 555"}, Roles: []string{"editor"}, VerifiedEmail: new(true),
		Tenants: []*sdk.AssociatedTenant{{TenantID: "T1", Roles: []string{"owner"}}}, CustomAttributes: map[string]any{"seats": 3.0},
	})
	must(t, err)
	if created.Name != "Ann A" || !created.VerifiedEmail || created.UserTenants[0].TenantID != "T1" || created.CustomAttributes["seats"] != 3.0 || created.CreatedTime == 0 || created.Password {
		t.Errorf("created %+v", created)
	}
	_, err = users.Create(ctx, Ann, nil)
	if WantCode(t, err, "E062107", 400); !errors.Is(err, sdk.ErrUserAlreadyExists) {
		t.Errorf("the SDK does not know %v", err)
	}
	_, err = users.Load(ctx, "nobody")
	if e := WantCode(t, err, "E112102", 404); !sdk.IsNotFoundError(e) || !errors.Is(err, sdk.ErrManagementUserNotFound) {
		t.Errorf("the SDK does not know %v", err)
	}
	for _, id := range []string{Ann, created.UserID} {
		u, err := users.Load(ctx, id)
		must(t, err)
		if u.UserID != created.UserID || u.RoleNames[0] != "editor" {
			t.Errorf("%s: %+v", id, u)
		}
	}
	patched, err := users.Patch(ctx, created.UserID, &sdk.PatchUserRequest{Name: new("Anne"), CustomAttributes: map[string]any{"trial": true}, Roles: &[]string{"reader"}})
	must(t, err)
	if patched.Name != "Anne" || patched.GivenName != "Ann" || patched.CustomAttributes["seats"] != 3.0 || patched.CustomAttributes["trial"] != true || patched.RoleNames[0] != "reader" {
		t.Errorf("patched %+v", patched)
	}
	updated, err := users.Update(ctx, Ann, &sdk.UserRequest{User: sdk.User{Name: "A", Email: Ann}, Roles: []string{"writer"}})
	must(t, err)
	if updated.Name != "A" || updated.GivenName != "" || len(updated.CustomAttributes) != 0 || !updated.VerifiedEmail || !slices.Equal(updated.RoleNames, []string{"writer"}) {
		t.Errorf("updated %+v", updated)
	}

	// Passwords, status and sessions.
	must(t, users.SetActivePassword(ctx, Ann, First))
	in, err := pw.SignIn(ctx, Ann, First, nil)
	must(t, err)
	must(t, users.SetTemporaryPassword(ctx, Ann, Second))
	_, _, err = w.Client.Auth.RefreshSessionWithToken(ctx, in.RefreshToken.JWT)
	WantCode(t, err, "E064001", 401)
	_, err = pw.SignIn(ctx, Ann, Second, nil)
	WantCode(t, err, "E062909", 401)
	_, err = pw.ReplaceUserPassword(ctx, Ann, Second, Third, nil)
	must(t, err)
	must(t, users.ExpirePassword(ctx, Ann))
	_, err = pw.SignIn(ctx, Ann, Third, nil)
	WantCode(t, err, "E062909", 401)
	must(t, users.SetActivePassword(ctx, Ann, First+" 2"))
	for _, logout := range []func() error{
		func() error { return users.LogoutUser(ctx, Ann) },
		func() error { return users.LogoutUserByUserID(ctx, created.UserID) },
		func() error { _, err := users.Deactivate(ctx, Ann); return err },
	} {
		in, err := pw.SignIn(ctx, Ann, First+" 2", nil)
		must(t, err)
		must(t, logout())
		_, _, err = w.Client.Auth.RefreshSessionWithToken(ctx, in.RefreshToken.JWT)
		WantCode(t, err, "E064001", 401)
	}
	_, err = pw.SignIn(ctx, Ann, First+" 2", nil)
	WantCode(t, err, "E062903", 403)
	active, err := users.Activate(ctx, created.UserID)
	must(t, err)
	logins, err := users.History(ctx, []string{created.UserID})
	must(t, err)
	if active.Status != "enabled" || len(logins) < 4 || logins[0].UserID != created.UserID || logins[0].LoginTime == 0 || logins[0].IP == "" {
		t.Errorf("%+v, %+v", active, logins)
	}
	batch(t, w, managed)
	imported, err := users.Import(ctx, "Auth0", []byte(`{"email": "liz@example.com", "name": "Liz"}`), []byte(`{"email": "liz@example.com", "passwordHash": "$2x$"}
{"email": "max@example.com", "passwordHash": "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}`), false)
	must(t, err)
	if len(imported.Users) != 1 || len(imported.Failures) != 1 || imported.Failures[0].User != "liz@example.com" || imported.Failures[0].Reason == "" {
		t.Errorf("imported %+v", imported)
	}
	_, err = pw.SignIn(ctx, "max@example.com", "U*U", nil)
	must(t, err)
	rules(t, w, managed)
	must(t, users.Delete(ctx, Ann))
	WantCode(t, users.DeleteByUserID(ctx, created.UserID), "E112102", 404)
}

// batch creates users with hashes of other systems, invites one, and finds them.
func batch(t *testing.T, w *World, managed *client.DescopeClient) {
	t.Helper()
	users, pw := managed.Management.User(), w.Client.Auth.Password()
	raw := func(s string) []byte {
		b, err := base64.StdEncoding.DecodeString(s)
		must(t, err)
		return b
	}
	hashed := func(id string, h sdk.BatchUserPasswordHashed) *sdk.BatchUser {
		u := &sdk.BatchUser{LoginID: id, Password: &sdk.BatchUserPassword{Hashed: &h}}
		u.Email, u.Roles = id, []string{"imported"}
		return u
	}
	list := []*sdk.BatchUser{
		hashed("bcrypt@example.com", sdk.BatchUserPasswordHashed{Bcrypt: &sdk.BatchUserPasswordBcrypt{Hash: "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}}),
		hashed("django@example.com", sdk.BatchUserPasswordHashed{Django: &sdk.BatchUserPasswordDjango{Hash: "sha1$$6d138ca3ae545631b3abd71a4f076ce759c5700b"}}),
		hashed("firebase@example.com", sdk.BatchUserPasswordHashed{Firebase: &sdk.BatchUserPasswordFirebase{
			Hash: raw("lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="), Salt: raw("42xEC+ixf3L2lw=="), SaltSeparator: raw("Bw=="),
			SignerKey: raw("jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="), Memory: 14, Rounds: 8,
		}}),
		{LoginID: Bob, Password: &sdk.BatchUserPassword{Cleartext: First}},
		hashed("bad@example.com", sdk.BatchUserPasswordHashed{Bcrypt: &sdk.BatchUserPasswordBcrypt{Hash: "$2x$05$"}}),
		{LoginID: "BOB@example.com"}, {LoginID: Ann},
	}
	for run, want := range [][2]int{{4, 3}, {0, 7}} { // the same batch again creates nobody
		made, err := users.CreateBatch(ctx, list)
		must(t, err)
		if got := [2]int{len(made.CreatedUsers), len(made.FailedUsers)}; got != want {
			t.Errorf("run %d: %v users, want %v", run, got, want)
		}
		for _, f := range made.FailedUsers {
			if f.Failure == "" || f.User == nil || len(f.User.LoginIDs) != 1 {
				t.Errorf("run %d: %+v", run, f)
			}
		}
	}
	for id, password := range map[string]string{"bcrypt@example.com": "U*U", "django@example.com": "lètmein", "firebase@example.com": "user1password"} {
		_, err := pw.SignIn(ctx, id, password, nil)
		must(t, err)
	}
	_, err := users.Deactivate(ctx, Bob)
	must(t, err)
	_, err = pw.SignIn(ctx, Bob, First, nil)
	WantCode(t, err, "E062903", 403)

	const page = "https://shop.example.com/reset"
	invited, err := users.Invite(ctx, "ida@example.com", &sdk.UserRequest{VerifiedEmail: new(true)}, &sdk.InviteOptions{InviteURL: page, SendMail: new(true)})
	must(t, err)
	verified, err := w.Client.Auth.MagicLink().Verify(ctx, w.Link(page).Query().Get("t"), nil)
	must(t, err)
	must(t, pw.UpdateUserPassword(ctx, "ida@example.com", First, WithTokens("", verified.RefreshToken.JWT)))
	in, err := pw.SignIn(ctx, "ida@example.com", First, nil)
	must(t, err)
	if in.User.UserID != invited.UserID {
		t.Errorf("invited %+v, signed in %+v", invited, in.User)
	}

	for want, o := range map[int]*sdk.UserSearchOptions{
		6: nil, 3: {Roles: []string{"imported"}}, 1: {Statuses: []sdk.UserStatus{sdk.UserStatusDisabled}}, 2: {LoginIDs: []string{Bob, Ann, "nobody"}},
	} {
		found, total, err := users.SearchAll(ctx, o)
		must(t, err)
		if len(found) != want || total != want {
			t.Errorf("%+v: %d of %d users, want %d", o, len(found), total, want)
		}
	}
	found, total, err := users.SearchAll(ctx, &sdk.UserSearchOptions{Limit: 4, Page: 1})
	must(t, err)
	if len(found) != 2 || total != 6 {
		t.Errorf("the second page: %d of %d users", len(found), total)
	}
	_, _, err = users.SearchAll(ctx, &sdk.UserSearchOptions{TenantIDs: []string{"T1"}})
	WantCode(t, err, "E011003", 400)
}

// rules reads and replaces the rules for passwords.
func rules(t *testing.T, w *World, managed *client.DescopeClient) {
	t.Helper()
	settings := managed.Management.Password()
	before, err := settings.GetSettings(ctx, "")
	must(t, err)
	if !before.Enabled || before.MinLength != 15 || !before.Lock || before.LockAttempts != 100 || before.Expiration || before.Reuse {
		t.Errorf("the settings are %+v", before)
	}
	next := *before
	next.MinLength, next.NonAlphanumeric, next.Expiration, next.ExpirationWeeks, next.Reuse, next.ReuseAmount = 20, true, true, 4, true, 2
	must(t, settings.ConfigureSettings(ctx, "", &next))
	after, err := settings.GetSettings(ctx, "")
	must(t, err)
	policy, err := w.Client.Auth.Password().GetPasswordPolicy(ctx)
	must(t, err)
	if *after != next || policy.MinLength != 20 || !policy.NonAlphanumeric {
		t.Errorf("the settings are %+v, the policy %+v", after, policy)
	}
	next.MinLength = 7
	WantCode(t, settings.ConfigureSettings(ctx, "", &next), "E011003", 400)
	must(t, settings.ConfigureSettings(ctx, "", before))
}
