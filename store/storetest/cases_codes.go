package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/usherkit/usher/store"
)

var codeCases = []testCase{
	{"UserTokens returns the tokens of several purposes with the hashes of their codes", func(e *env) {
		a := e.createUser("anna")
		both := []store.Purpose{store.PurposeVerifyEmail, store.PurposeChangeEmail}
		e.openToken(a, store.PurposeReset)
		var want []store.OneTimeToken
		for i := range 3 {
			t := e.newToken(a, both[i%2])
			t.CreatedAt = t0.Add(time.Duration(i) * time.Second)
			if i > 0 { // the email of the first has no code
				t.CodeHash = hash(fmt.Sprint("code ", i))
			}
			e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 9}))
			want = append([]store.OneTimeToken{t}, want...)
		}
		got, err := e.UserTokens(e.ctx, a.User.ID, both, t0)
		e.ok(err)
		e.wantEqual("tokens", got, want)
		for _, t := range want {
			got, err := e.OneTimeToken(e.ctx, t.Hash, t0)
			e.ok(err)
			e.wantEqual("token", got, t)
		}
		got, err = e.UserTokens(e.ctx, a.User.ID, nil, t0)
		e.ok(err)
		e.wantEqual("tokens of no purpose", got, nil)
	}},
	{"a new user has the token with the hash of its code", func(e *env) {
		c := e.newCreation("anna")
		t := e.newToken(store.Account{User: c.User, Password: c.Password}, store.PurposeVerifyEmail)
		t.CodeHash = hash("code")
		c.Token = &t
		e.create(c)
		got, err := e.UserTokens(e.ctx, c.User.ID, []store.Purpose{t.Purpose}, t0)
		e.ok(err)
		e.wantEqual("tokens", got, []store.OneTimeToken{t})
	}},
	{"one of many resets a password with a token or with the code beside it", func(e *env) {
		a := e.createUser("anna")
		t := e.newToken(a, store.PurposeReset)
		t.CodeHash = hash("code")
		e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 1}))
		winner := e.oneWinner(store.ErrNotFound, func(i int) error {
			spend := tokenSpend(t)
			if i%2 == 1 { // a caller with the code finds the token by its user
				list, err := e.UserTokens(e.ctx, a.User.ID, spend.Purposes, t0)
				i := slices.IndexFunc(list, func(o store.OneTimeToken) bool { return slices.Equal(o.CodeHash, t.CodeHash) })
				if err != nil || i < 0 {
					return cmp.Or(err, store.ErrNotFound)
				}
				spend.Hash = list[i].Hash
			}
			c := passwordChange(a, fmt.Sprint("hash of ", i))
			c.Effects = numberedEffects(i)
			_, err := e.ResetPassword(e.ctx, spend, c)
			return err
		})
		e.wantEffects(numberedEffects(winner))
		list, err := e.UserTokens(e.ctx, a.User.ID, []store.Purpose{t.Purpose}, t0)
		e.ok(err)
		e.wantEqual("tokens", list, nil)
	}},
}
