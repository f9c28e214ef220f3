package storetest

import (
	"context"
	"time"

	"github.com/usherkit/usher/store"
)

var lifecycleCases = []testCase{
	{"works while it is open and fails once it is closed", func(e *env) {
		e.ok(e.Ping(e.ctx))
		a := e.createUser("anna")
		e.ok(e.Close())
		e.wantUnnamedErr(e.Ping(e.ctx))
		_, err := e.Account(e.ctx, a.User.ID)
		e.wantUnnamedErr(err)
		e.wantUnnamedErr(e.Record(e.ctx, store.Effects{}))
	}},
	{"every call with a canceled context fails and changes nothing", func(e *env) {
		a := e.createUser("anna")
		s, tok := e.signIn(a.User.ID), e.openToken(a, store.PurposeReset)
		created := e.fullCreation("bert")
		fx := e.effects()
		ended, cancel := context.WithCancel(e.ctx)
		cancel()
		for name, call := range e.everyMethod(ended, a, s, tok, created, fx) {
			err := e.wantUnchanged(call)
			if err == nil {
				e.Errorf("%s worked", name)
				continue
			}
			e.wantUnnamedErr(err)
		}
	}},
}

// everyMethod returns, for each method of a store, a call that would succeed.
func (e *env) everyMethod(ctx context.Context, a store.Account, s store.SessionRecord, tok store.OneTimeToken, c store.UserCreation, fx store.Effects) map[string]func() error {
	id := a.User.ID
	reset := e.newSession(id)
	return map[string]func() error{
		"CreateUser":       func() error { _, err := e.CreateUser(ctx, c); return err },
		"Account":          func() error { _, err := e.Account(ctx, id); return err },
		"AccountByLoginID": func() error { _, err := e.AccountByLoginID(ctx, "anna@example.test"); return err },
		"AccountByAddress": func() error { _, err := e.AccountByAddress(ctx, "anna@example.test"); return err },
		"UpdateUser": func() error {
			_, _, err := e.UpdateUser(ctx, store.UserUpdate{UserID: id, At: t0, Profile: store.Profile{Name: ptr("x")}})
			return err
		},
		"DeleteUser":     func() error { _, err := e.DeleteUser(ctx, store.UserDeletion{UserID: id}); return err },
		"ChangePassword": func() error { _, err := e.ChangePassword(ctx, passwordChange(a, "hash-2")); return err },
		"StartSession":   func() error { _, err := e.StartSession(ctx, sessionStart(reset)); return err },
		"Session":        func() error { _, err := e.Session(ctx, s.ID); return err },
		"UserSessions":   func() error { _, err := e.UserSessions(ctx, id, t0); return err },
		"SwapRefresh":    func() error { _, err := e.SwapRefresh(ctx, refreshSwap(s, 1)); return err },
		"EndSession":     func() error { return e.EndSession(ctx, id, s.ID, store.SessionEnd{}, fx) },
		"EndUserSessions": func() error {
			_, err := e.EndUserSessions(ctx, id, store.SessionEnd{}, fx)
			return err
		},
		"Revocations": func() error { _, err := e.Revocations(ctx, 0); return err },
		"AddOneTimeToken": func() error {
			return e.AddOneTimeToken(ctx, store.TokenAddition{Token: e.newToken(a, store.PurposeConfirmAndReset), MaxOpen: 9, Effects: fx})
		},
		"OneTimeToken": func() error { _, err := e.OneTimeToken(ctx, tok.Hash, t0); return err },
		"UserTokens": func() error {
			_, err := e.UserTokens(ctx, id, []store.Purpose{store.PurposeReset}, t0)
			return err
		},
		"DropTokens": func() error { return e.DropTokens(ctx, id, store.PurposeReset, t0, fx) },
		"ResetPassword": func() error {
			_, err := e.ResetPassword(ctx, tokenSpend(tok), passwordChange(a, "hash-2"))
			return err
		},
		"StartResetSession": func() error {
			_, err := e.StartResetSession(ctx, tokenSpend(tok), reset, store.SessionEnd{}, fx)
			return err
		},
		"VerifyEmail":        func() error { _, err := e.VerifyEmail(ctx, tokenSpend(tok), fx); return err },
		"ChangeEmail":        func() error { _, err := e.ChangeEmail(ctx, tokenSpend(tok), "a", "b", fx); return err },
		"PutInvitation":      func() error { _, err := e.PutInvitation(ctx, e.newInvitation("x"), store.Event{}, fx); return err },
		"Invitation":         func() error { _, err := e.Invitation(ctx, hash("x"), t0); return err },
		"InvitationOf":       func() error { _, err := e.InvitationOf(ctx, "x", t0); return err },
		"Invitations":        func() error { _, err := e.Invitations(ctx, "", 9, t0); return err },
		"WithdrawInvitation": func() error { return e.WithdrawInvitation(ctx, hash("x"), t0, fx) },
		"AcceptInvitation": func() error {
			_, err := e.AcceptInvitation(ctx, acceptance(e.newInvitation("x"), a.User))
			return err
		},
		"TakeLimits": func() error {
			_, err := e.TakeLimits(ctx, t0, []store.Limit{{Key: "k", Max: 1}})
			return err
		},
		"ReleaseLimits":    func() error { return e.ReleaseLimits(ctx, []string{"k"}) },
		"ClearLimits":      func() error { return e.ClearLimits(ctx, []string{"k"}) },
		"SigningKeys":      func() error { _, err := e.SigningKeys(ctx); return err },
		"PasswordSettings": func() error { _, err := e.PasswordSettings(ctx); return err },
		"SavePasswordSettings": func() error {
			return e.SavePasswordSettings(ctx, store.PasswordSettings{Version: 1, Content: "{}"}, fx)
		},
		"SaveSigningKeys": func() error { return e.SaveSigningKeys(ctx, signingKeys(1), fx) },
		"ClaimEmails":     func() error { _, err := e.ClaimEmails(ctx, t0, time.Minute, 9); return err },
		"FinishEmail":     func() error { return e.FinishEmail(ctx, "mail-1", fx) },
		"RetryEmail":      func() error { return e.RetryEmail(ctx, "mail-1", t0) },
		"ReleaseEmail":    func() error { return e.ReleaseEmail(ctx, "mail-1", t0) },
		"EmailCount":      func() error { _, err := e.EmailCount(ctx); return err },
		"Record":          func() error { return e.Record(ctx, fx) },
		"Events":          func() error { _, err := e.Events(ctx, store.EventQuery{}); return err },
		"SignIns":         func() error { _, err := e.SignIns(ctx, []string{id}, 9); return err },
		"DeleteExpired": func() error {
			_, err := e.DeleteExpired(ctx, store.Expiry{Now: t0, EventsBefore: t0, Max: 9})
			return err
		},
		"Ping": func() error { return e.Ping(ctx) },
	}
}
