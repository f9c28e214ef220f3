package storetest

import (
	"bytes"
	"strings"
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// oddTexts are texts that a faulty store could change, confuse or run as SQL.
var oddTexts = []string{
	`' OR '1'='1`, `a'); DROP TABLE users;--`, `a'); DROP TABLE usher_users;--`, `$$x$$ $1`, `$1`, `?`, `?1`, `:a`, `@a`,
	`%`, `_`, `\`, `\'`, `"`, "`", `\x00`, `\u0000`, "\r\n", "\t", " ", "  lead and trail  ", "\u00a0", "\ufeff",
	"null", "NULL", "0", "1e3", "2026-01-02 03:04:05", "true", "{}",
	"é", "e\u0301", "É", "ß", "ss", "I", "ı", "İ", "i", "\u00c5", "\u212b", "\u212a", "K", "a", "A",
	"𝒳𝓎", "👩‍👩‍👧", "\U0010ffff", "\u202eabc", "مرحبا", "日本語", strings.Repeat("長", 600),
}

var textCases = []testCase{
	{"returns any text exactly, and distinguishes it from all others", func(e *env) {
		for i, s := range oddTexts {
			e.create(store.UserCreation{
				User: store.User{
					ID: s, LoginIDs: []string{s}, Email: s, Name: s, GivenName: s, MiddleName: s, FamilyName: s,
					Phone: s, Picture: s, Roles: []string{s}, Permissions: []string{s},
					Tenants:    map[string]token.Tenant{s: {Roles: []string{s}}},
					Attributes: map[string]any{s: s}, Status: store.StatusEnabled, CreatedAt: t0, UpdatedAt: t0,
				},
				Canonical: []string{s},
				Password:  store.Password{Hash: s, State: store.PasswordActive, Earlier: []string{s}},
				Session: &store.SessionRecord{
					Session: store.Session{
						ID: s, UserID: s, Kind: store.SessionFull, AMR: []string{s}, UserAgent: s, Address: s,
						ExpiresAt: t0.Add(time.Hour), IdleExpiresAt: t0.Add(time.Hour),
					},
					Refresh: store.RefreshState{Current: []byte(s)},
				},
				Token: &store.OneTimeToken{Hash: []byte(s), UserID: s, Purpose: store.PurposeReset, Email: s, NewEmail: s, ExpiresAt: t0.Add(time.Hour)},
				Effects: store.Effects{
					Events: []store.Event{{ID: s, At: t0, Name: store.EventName(s), UserID: s, SessionID: s, Address: s, UserAgent: s, RequestID: s, Reason: s}},
					Emails: []store.QueuedEmail{{ID: s, Sealed: []byte(s), CreatedAt: t0, NotBefore: t0.Add(time.Duration(i))}},
				},
			})
		}
		for _, s := range oddTexts {
			a, err := e.AccountByLoginID(e.ctx, s)
			e.ok(err)
			u := a.User
			e.wantEqual("user", []any{
				u.ID, u.LoginIDs[0], u.Email, u.Name, u.GivenName, u.MiddleName, u.FamilyName, u.Phone, u.Picture,
				u.Roles[0], u.Permissions[0], u.Tenants[s].Roles[0], u.Attributes[s], a.Password.Hash, a.Password.Earlier[0],
			}, []any{s, s, s, s, s, s, s, s, s, s, s, s, s, s, s})
			ses, err := e.Session(e.ctx, s)
			e.ok(err)
			e.wantEqual("session", []any{ses.UserID, ses.AMR[0], ses.UserAgent, ses.Address, ses.Refresh.Current}, []any{s, s, s, s, []byte(s)})
			tok, err := e.OneTimeToken(e.ctx, []byte(s), t0)
			e.ok(err)
			e.wantEqual("token", []any{tok.UserID, tok.NewEmail}, []any{s, s})
			events, err := e.events(store.EventQuery{UserID: s, Name: store.EventName(s)})
			e.ok(err)
			e.wantEqual("events", events, []store.Event{{
				ID: s, At: t0, Name: store.EventName(s), UserID: s, SessionID: s, Address: s, UserAgent: s, RequestID: s, Reason: s,
			}})
			if len(s) <= 64 { // the maximum length of a key
				e.wantTaken(t0, store.Limit{Key: s, Max: 1}, 1)
			}
			e.ok(e.FinishEmail(e.ctx, s, store.Effects{}))
			ended, err := e.DeleteUser(e.ctx, store.UserDeletion{UserID: s})
			e.ok(err)
			e.wantIDs("ended", sessionIDs(ended), s)
		}
		if n, err := e.EmailCount(e.ctx); err != nil || n != 0 {
			e.Fatalf("%d messages are left (%v)", n, err)
		}
	}},
	{"refuses a zero byte and invalid UTF-8, and works afterwards", func(e *env) {
		for _, bad := range []string{"a\x00b", "\x00", "a\xffb", "\xc0\x80"} {
			for _, edit := range []func(c *store.UserCreation){
				func(c *store.UserCreation) { c.User.ID, c.Session.UserID, c.Token.UserID = bad, bad, bad },
				func(c *store.UserCreation) { c.User.LoginIDs[0] = bad },
				func(c *store.UserCreation) { c.Canonical[0] = bad },
				func(c *store.UserCreation) { c.User.Email = bad },
				func(c *store.UserCreation) { c.User.Name = bad },
				func(c *store.UserCreation) { c.Session.UserAgent = bad },
				func(c *store.UserCreation) { c.Token.NewEmail = bad },
				func(c *store.UserCreation) { c.Events[0].Reason = bad },
				func(c *store.UserCreation) { c.Emails[0].ID = bad },
			} {
				c := e.fullCreation("anna")
				edit(&c)
				e.wantUnnamedErr(e.wantUnchanged(func() error { _, err := e.CreateUser(e.ctx, c); return err }))
			}
			for _, err := range []error{
				func() error { _, err := e.AccountByLoginID(e.ctx, bad); return err }(),
				func() error { _, err := e.AccountByAddress(e.ctx, bad); return err }(),
				func() error { _, err := e.Account(e.ctx, bad); return err }(),
				func() error { _, err := e.Session(e.ctx, bad); return err }(),
				func() error {
					_, err := e.TakeLimits(e.ctx, t0, []store.Limit{{Key: bad, Max: 1}})
					return err
				}(),
			} {
				if err == nil {
					e.Fatalf("%q was taken", bad)
				}
			}
		}
		e.create(e.fullCreation("anna"))
	}},
	{"stores any bytes", func(e *env) {
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		e.ok(e.Record(e.ctx, store.Effects{Emails: []store.QueuedEmail{{ID: "m", Sealed: all, CreatedAt: t0, NotBefore: t0}}}))
		got, err := e.ClaimEmails(e.ctx, t0, time.Minute, 1)
		e.ok(err)
		if len(got) != 1 || !bytes.Equal(got[0].Sealed, all) {
			e.Fatalf("got %v", got)
		}
	}},
}
