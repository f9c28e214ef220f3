package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// fullCreation returns a sign-up in which every field is set.
func (e *env) fullCreation(name string) store.UserCreation {
	c := e.newCreation(name)
	u := &c.User
	u.LoginIDs = append(u.LoginIDs, "Second-"+name)
	c.Canonical = append(c.Canonical, "second-"+name)
	u.GivenName, u.MiddleName, u.FamilyName = "Given", "Middle", "Family"
	u.Phone, u.Picture = "+1 555 0100", "https://example.test/p.png"
	u.Roles, u.Permissions = []string{"admin", "editor"}, []string{"read", "write"}
	u.Tenants = map[string]token.Tenant{"t1": {Roles: []string{"owner"}, Permissions: []string{"all"}}, "t2": {}}
	u.Attributes = map[string]any{"plan": "gold", "seats": 3.5, "on": true, "list": []any{"a", 1.0, nil}}
	c.Password.Earlier = []string{"hash-0", "hash-00"}
	s := e.newSession(u.ID)
	c.Session = &s
	t := e.newToken(store.Account{User: *u, Password: c.Password}, store.PurposeVerifyEmail)
	c.Token = &t
	c.Effects = e.effects()
	return c
}

var createCases = []testCase{
	{"stores the user with session, token and effects", func(e *env) {
		c := e.fullCreation("anna")
		e.create(c)
		got, err := e.Account(e.ctx, c.User.ID)
		e.ok(err)
		e.wantEqual("account", got, store.Account{User: c.User, Password: c.Password})
		for _, canonical := range c.Canonical {
			got, err := e.AccountByLoginID(e.ctx, canonical)
			e.ok(err)
			e.wantEqual("account by login id", got, store.Account{User: c.User, Password: c.Password})
		}
		s, err := e.Session(e.ctx, c.Session.ID)
		e.ok(err)
		e.wantEqual("session", s, *c.Session)
		t, err := e.OneTimeToken(e.ctx, c.Token.Hash, t0)
		e.ok(err)
		e.wantEqual("token", t, *c.Token)
		e.wantEffects(c.Effects)
	}},
	{"stores a user with nothing optional", func(e *env) {
		c := store.UserCreation{
			User:     store.User{ID: "bare", Status: store.StatusEnabled},
			Password: store.Password{State: store.PasswordNone},
		}
		e.create(c)
		got, err := e.Account(e.ctx, "bare")
		e.ok(err)
		e.wantEqual("account", got, store.Account{User: c.User, Password: c.Password})
		if !got.User.CreatedAt.IsZero() {
			e.Fatalf("the zero time came back as %v", got.User.CreatedAt)
		}
	}},
	{"returns ErrLoginIDTaken for a taken login id, and changes nothing", func(e *env) {
		e.create(e.fullCreation("anna"))
		other := e.fullCreation("bert")
		other.Canonical[1] = "second-anna"
		e.wantErr(e.wantUnchanged(func() error { _, err := e.CreateUser(e.ctx, other); return err }), store.ErrLoginIDTaken)
		_, err := e.AccountByLoginID(e.ctx, "bert@example.test")
		e.wantErr(err, store.ErrNotFound)
	}},
	{"a released login id is free again", func(e *env) {
		a := e.createUser("anna")
		_, err := e.DeleteUser(e.ctx, store.UserDeletion{UserID: a.User.ID})
		e.ok(err)
		again := e.newCreation("anna")
		again.User.ID = "another"
		e.create(again)
	}},
	{"returns an error for an existing user id and changes nothing", func(e *env) {
		a := e.createUser("anna")
		c := e.fullCreation("bert")
		c.User.ID = a.User.ID
		c.Session.UserID, c.Token.UserID = a.User.ID, a.User.ID
		e.wantErr(e.wantUnchanged(func() error { _, err := e.CreateUser(e.ctx, c); return err }), store.ErrConflict)
	}},
	{"returns an error for an existing email id and changes nothing", func(e *env) {
		first := e.fullCreation("anna")
		e.create(first)
		c := e.fullCreation("bert")
		c.Emails[0].ID = first.Emails[0].ID
		e.wantUnnamedErr(e.wantUnchanged(func() error { _, err := e.CreateUser(e.ctx, c); return err }))
	}},
	{"stores times to the microsecond and returns UTC", func(e *env) {
		c := e.newCreation("anna")
		zone := time.FixedZone("far east", 9*3600)
		c.User.CreatedAt = time.Date(2026, 1, 2, 3, 4, 5, 123456789, zone)
		e.create(c)
		a, err := e.Account(e.ctx, c.User.ID)
		e.ok(err)
		want := time.Date(2026, 1, 1, 18, 4, 5, 123456000, time.UTC)
		if got := a.User.CreatedAt; !got.Equal(want) || got.Location() != time.UTC {
			e.Fatalf("got %v, want %v", got, want)
		}
	}},
}

var accountCases = []testCase{
	{"returns ErrNotFound if there is none", func(e *env) {
		e.createUser("anna")
		_, err := e.Account(e.ctx, "user-bert")
		e.wantErr(err, store.ErrNotFound)
		_, err = e.AccountByLoginID(e.ctx, "bert@example.test")
		e.wantErr(err, store.ErrNotFound)
	}},
	{"is found only by the exact canonical form", func(e *env) {
		e.createUser("anna")
		for _, other := range []string{
			"", "ANNA@example.test", "anna@example.tes", "anna@example.test ", "%", "anna_example.test", "anna@Example.test",
		} {
			_, err := e.AccountByLoginID(e.ctx, other)
			e.wantErr(err, store.ErrNotFound)
		}
	}},
}

var updateCases = []testCase{
	{"replaces the login ids", func(e *env) {
		a, b := e.createUser("anna"), e.createUser("bert")
		s := e.signIn(a.User.ID)
		fx := e.effects()
		u, ended, err := e.UpdateUser(e.ctx, store.UserUpdate{
			UserID: a.User.ID, At: t0, LoginIDs: &[]string{"New", "Anna@Example.test"}, Canonical: []string{"new", "anna@example.test"},
			End: &store.SessionEnd{RevokedUntil: t0}, Effects: fx,
		})
		e.ok(err)
		e.wantEqual("login ids", u.LoginIDs, []string{"New", "Anna@Example.test"})
		e.wantIDs("ended", sessionIDs(ended), s.ID)
		e.wantEffects(fx)
		for _, id := range []string{"new", "anna@example.test"} {
			got, err := e.AccountByLoginID(e.ctx, id)
			e.ok(err)
			e.wantEqual("user", got.User.ID, a.User.ID)
		}
		for _, taken := range [][]string{{"bert@example.test"}, {"free", "new"}, {"twice", "twice"}} {
			update := store.UserUpdate{UserID: b.User.ID, At: t0, LoginIDs: &taken, Canonical: taken, Effects: e.effects()}
			if taken[0] == "bert@example.test" {
				update.UserID = a.User.ID
			}
			e.wantErr(e.wantUnchanged(func() error {
				_, _, err := e.UpdateUser(e.ctx, update)
				return err
			}), store.ErrLoginIDTaken)
		}
		e.wantUnnamedErr(e.wantUnchanged(func() error {
			_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: b.User.ID, At: t0, LoginIDs: &[]string{"x"}})
			return err
		}))
		_, _, err = e.UpdateUser(e.ctx, store.UserUpdate{UserID: b.User.ID, At: t0, LoginIDs: &[]string{"b"}, Canonical: []string{"b"}})
		e.ok(err)
		_, err = e.AccountByLoginID(e.ctx, "bert@example.test")
		e.wantErr(err, store.ErrNotFound)
	}},
	{"keeps the values of nil fields", func(e *env) {
		c := e.fullCreation("anna")
		e.create(c)
		at := t0.Add(time.Hour)
		got, ended, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: c.User.ID, At: at})
		e.ok(err)
		want := c.User
		want.UpdatedAt = at
		e.wantEqual("user", got, want)
		e.wantIDs("ended", sessionIDs(ended))
		a, err := e.Account(e.ctx, c.User.ID)
		e.ok(err)
		e.wantEqual("account", a, store.Account{User: want, Password: c.Password})
		e.wantLive(c.Session.ID)
		_, err = e.OneTimeToken(e.ctx, c.Token.Hash, t0)
		e.ok(err)
	}},
	{"changes every named field", func(e *env) {
		a := e.createUser("anna")
		fx := e.effects()
		u := store.UserUpdate{
			UserID: a.User.ID,
			Profile: store.Profile{
				Name: ptr("N"), GivenName: ptr("G"), MiddleName: ptr("M"),
				FamilyName: ptr("F"), Phone: ptr("P"), Picture: ptr(""),
			},
			Roles: ptr([]string{"r"}), Permissions: ptr([]string{"p"}),
			Tenants:    ptr(map[string]token.Tenant{"t": {Roles: []string{"tr"}}}),
			Attributes: ptr(map[string]any{"k": "v"}),
			Status:     ptr(store.StatusDisabled),
			Email:      &store.EmailAddress{Address: "else@example.test"},
			At:         t0.Add(time.Hour),
			Effects:    fx,
		}
		got, _, err := e.UpdateUser(e.ctx, u)
		e.ok(err)
		want := store.User{
			ID: a.User.ID, LoginIDs: a.User.LoginIDs, Email: "else@example.test",
			Name: "N", GivenName: "G", MiddleName: "M", FamilyName: "F", Phone: "P", Language: a.User.Language,
			Roles: []string{"r"}, Permissions: []string{"p"},
			Tenants:    map[string]token.Tenant{"t": {Roles: []string{"tr"}}},
			Attributes: map[string]any{"k": "v"},
			Status:     store.StatusDisabled, CreatedAt: t0, UpdatedAt: u.At,
		}
		e.wantEqual("user", got, want)
		stored, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		e.wantEqual("account", stored, store.Account{User: want, Password: a.Password})
		e.wantEffects(fx)
	}},
	{"patches single attributes, if they have the version", func(e *env) {
		c := e.fullCreation("anna")
		c.User.Attributes = map[string]any{"plan": "gold", "seats": 3.0, "old": true}
		e.create(c)
		patch := func(version string, set map[string]any) (store.User, error) {
			u, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: c.User.ID, At: t0, Patch: &store.AttributesPatch{Set: set, IfVersion: version}})
			return u, err
		}
		first := c.User.AttributesVersion()
		got, err := patch(first, map[string]any{"seats": 4, "old": nil, "new": map[string]any{"a": nil}})
		e.ok(err)
		e.wantEqual("attributes", got.Attributes, map[string]any{"plan": "gold", "seats": 4.0, "new": map[string]any{"a": nil}})
		if _, ok := got.Attributes["old"]; ok || got.AttributesVersion() == first {
			e.Fatalf("the attributes are %v, and the version is %s", got.Attributes, got.AttributesVersion())
		}
		stored, err := e.Account(e.ctx, c.User.ID)
		e.ok(err)
		e.wantEqual("version", stored.User.AttributesVersion(), got.AttributesVersion())
		for _, refused := range []struct {
			version string
			set     map[string]any
			want    error
		}{
			{first, map[string]any{"plan": "x"}, store.ErrConflict},
			{"", map[string]any{"plan": strings.Repeat("x", store.MaxAttributes)}, store.ErrAttributesTooLarge},
		} {
			e.wantErr(e.wantUnchanged(func() error { _, err := patch(refused.version, refused.set); return err }), refused.want)
		}
	}},
	{"gives numbers that differ beyond the precision of a float versions of their own", func(e *env) {
		a := e.createUser("anna")
		patch := func(version, number string) (store.User, error) {
			in := store.AttributesPatch{Set: map[string]any{"id": json.Number(number)}, IfVersion: version}
			u, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: a.User.ID, At: t0, Patch: &in})
			return u, err
		}
		first, err := patch("", "9007199254740992")
		e.ok(err)
		second, err := patch(first.AttributesVersion(), "9007199254740993")
		e.ok(err)
		if first.AttributesVersion() == second.AttributesVersion() {
			e.Fatalf("both have the version %s", second.AttributesVersion())
		}
		stored, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		e.wantEqual("version", stored.User.AttributesVersion(), second.AttributesVersion())
		e.wantErr(e.wantUnchanged(func() error { _, err := patch(first.AttributesVersion(), "1"); return err }), store.ErrConflict)
		e.wantEqual("attribute", stored.User.Attributes["id"], any(9007199254740992.0))
	}},
	{"one of many patches a version of the attributes, and without a version all do", func(e *env) {
		a := e.createUser("anna")
		version := a.User.AttributesVersion()
		patch := func(version, key string, value any) error {
			_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{
				UserID: a.User.ID, At: t0, Patch: &store.AttributesPatch{Set: map[string]any{key: value}, IfVersion: version},
			})
			return err
		}
		winner := e.oneWinner(store.ErrConflict, func(i int) error { return patch(version, "winner", i) })
		for _, err := range concurrently(func(i int) error { return patch("", fmt.Sprint("key ", i), true) }) {
			e.ok(err)
		}
		stored, err := e.Account(e.ctx, a.User.ID)
		e.ok(err)
		if n := len(stored.User.Attributes); n != 1+callers || stored.User.Attributes["winner"] != float64(winner) {
			e.Fatalf("%d attributes, and the winner is %v, want %d", n, stored.User.Attributes["winner"], winner)
		}
	}},
	{"empties a list", func(e *env) {
		c := e.fullCreation("anna")
		e.create(c)
		got, _, err := e.UpdateUser(e.ctx, store.UserUpdate{
			UserID: c.User.ID, At: t0, Roles: ptr([]string(nil)), Permissions: ptr([]string{}),
			Tenants: ptr(map[string]token.Tenant(nil)), Attributes: ptr(map[string]any{}),
		})
		e.ok(err)
		if len(got.Roles)+len(got.Permissions)+len(got.Tenants)+len(got.Attributes) != 0 {
			e.Fatalf("not emptied: %+v", got)
		}
	}},
	{"ends the sessions, and drops the tokens", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		s1, s2, s3 := e.signIn(a.User.ID), e.signIn(a.User.ID), e.signIn(other.User.ID)
		t1, t2 := e.openToken(a, store.PurposeReset), e.openToken(other, store.PurposeReset)
		until := t0.Add(15 * time.Minute)
		_, ended, err := e.UpdateUser(e.ctx, store.UserUpdate{
			UserID: a.User.ID, At: t0, DropTokens: true, End: &store.SessionEnd{RevokedUntil: until},
		})
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended), s1.ID, s2.ID)
		e.wantEnded(until, s1.ID, s2.ID)
		e.wantLive(s3.ID)
		_, err = e.OneTimeToken(e.ctx, t1.Hash, t0)
		e.wantErr(err, store.ErrNotFound)
		_, err = e.OneTimeToken(e.ctx, t2.Hash, t0)
		e.ok(err)
	}},
	{"drops reset sessions with the tokens, and no other sessions", func(e *env) {
		a, other := e.createUser("anna"), e.createUser("bert")
		full, reset, others := e.signIn(a.User.ID), e.newSession(a.User.ID), e.newSession(other.User.ID)
		for _, s := range []*store.SessionRecord{&reset, &others} {
			s.Kind = store.SessionReset
			_, err := e.StartSession(e.ctx, sessionStart(*s))
			e.ok(err)
		}
		_, ended, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: a.User.ID, At: t0, DropTokens: true})
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended))
		e.wantLive(full.ID, others.ID)
		_, err = e.Session(e.ctx, reset.ID)
		e.wantErr(err, store.ErrNotFound)
	}},
	{"returns ErrNotFound for a missing user, without effects", func(e *env) {
		e.createUser("anna")
		e.wantErr(e.wantUnchanged(func() error {
			_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{
				UserID: "nobody", At: t0, Profile: store.Profile{Name: ptr("N")}, Effects: e.effects(),
			})
			return err
		}), store.ErrNotFound)
	}},
}

var deleteCases = []testCase{
	{"removes everything of the user except events, revocations and emails", func(e *env) {
		c := e.fullCreation("anna")
		e.create(c)
		other := e.createUser("bert")
		keep := e.signIn(other.User.ID)
		limit, others := store.Limit{Key: "k", Max: 9}, store.Limit{Key: "l", Max: 9}
		e.wantTaken(t0, limit, 1)
		e.wantTaken(t0, others, 1)
		fx, until := e.effects(), t0.Add(time.Minute)
		ended, err := e.DeleteUser(e.ctx, store.UserDeletion{
			UserID: c.User.ID, End: store.SessionEnd{RevokedUntil: until}, Effects: fx, ClearLimits: []string{"k", "unknown"},
		})
		e.ok(err)
		e.wantIDs("ended", sessionIDs(ended), c.Session.ID)
		e.wantEnded(until, c.Session.ID)
		e.wantLive(keep.ID)
		e.wantTaken(t0, limit, 1)
		e.wantTaken(t0, others, 2)
		_, err = e.Account(e.ctx, c.User.ID)
		e.wantErr(err, store.ErrNotFound)
		for _, canonical := range c.Canonical {
			_, err = e.AccountByLoginID(e.ctx, canonical)
			e.wantErr(err, store.ErrNotFound)
		}
		_, err = e.OneTimeToken(e.ctx, c.Token.Hash, t0)
		e.wantErr(err, store.ErrNotFound)
		e.wantEffects(c.Effects, fx)
	}},
	{"returns ErrNotFound if the session that authorizes it has ended, or is another user's", func(e *env) {
		a, b := e.createUser("anna"), e.createUser("bert")
		own, ended, others := e.signIn(a.User.ID), e.signIn(a.User.ID), e.signIn(b.User.ID)
		e.ok(e.EndSession(e.ctx, a.User.ID, ended.ID, store.SessionEnd{RevokedUntil: t0.Add(time.Minute)}, store.Effects{}))
		for _, id := range []string{ended.ID, others.ID, "unknown"} {
			e.wantErr(e.wantUnchanged(func() error {
				_, err := e.DeleteUser(e.ctx, store.UserDeletion{UserID: a.User.ID, IfSession: id, Effects: e.effects()})
				return err
			}), store.ErrNotFound)
		}
		gone, err := e.DeleteUser(e.ctx, store.UserDeletion{UserID: a.User.ID, IfSession: own.ID})
		e.ok(err)
		e.wantIDs("ended", sessionIDs(gone), own.ID)
	}},
	{"one of many deletes a user", func(e *env) {
		a := e.createUser("anna")
		own := e.signIn(a.User.ID)
		winner := e.oneWinner(store.ErrNotFound, func(i int) error {
			_, err := e.DeleteUser(e.ctx, store.UserDeletion{UserID: a.User.ID, IfSession: own.ID, Effects: numberedEffects(i)})
			return err
		})
		e.wantEffects(numberedEffects(winner))
	}},
	{"returns ErrNotFound the second time, without effects", func(e *env) {
		a := e.createUser("anna")
		_, err := e.DeleteUser(e.ctx, store.UserDeletion{UserID: a.User.ID})
		e.ok(err)
		e.wantErr(e.wantUnchanged(func() error {
			_, err := e.DeleteUser(e.ctx, store.UserDeletion{UserID: a.User.ID, Effects: e.effects()})
			return err
		}), store.ErrNotFound)
	}},
}
