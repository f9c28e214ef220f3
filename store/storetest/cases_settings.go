package storetest

import (
	"fmt"

	"github.com/usherkit/usher/store"
)

var settingsCases = []testCase{
	{"a new store has none, with version 0, and each change replaces them", func(e *env) {
		got, err := e.PasswordSettings(e.ctx)
		e.ok(err)
		e.wantEqual("settings", got, store.PasswordSettings{})
		for version := range int64(3) {
			want := store.PasswordSettings{Version: version + 1, Content: fmt.Sprintf(`{"minLength":%d,"ü":"<&>"}`, version)}
			fx := e.effects()
			e.ok(e.SavePasswordSettings(e.ctx, want, fx))
			got, err := e.PasswordSettings(e.ctx)
			e.ok(err)
			e.wantEqual("settings", got, want)
		}
	}},
	{"returns ErrConflict unless the version is one above the stored one", func(e *env) {
		save := func(version int64) error {
			return e.wantUnchanged(func() error {
				return e.SavePasswordSettings(e.ctx, store.PasswordSettings{Version: version, Content: "x"}, e.effects())
			})
		}
		for _, version := range []int64{-1, 0, 2} {
			e.wantErr(save(version), store.ErrConflict)
		}
		e.ok(e.SavePasswordSettings(e.ctx, store.PasswordSettings{Version: 1, Content: "{}"}, store.Effects{}))
		for _, version := range []int64{0, 1, 3} {
			e.wantErr(save(version), store.ErrConflict)
		}
	}},
	{"of many that change the same version, one succeeds", func(e *env) {
		for version := int64(1); version <= 2; version++ {
			winner := e.oneWinner(store.ErrConflict, func(i int) error {
				p := store.PasswordSettings{Version: version, Content: fmt.Sprint(i)}
				return e.SavePasswordSettings(e.ctx, p, numberedEffects(int(version)*callers+i))
			})
			got, err := e.PasswordSettings(e.ctx)
			e.ok(err)
			e.wantEqual("settings", got, store.PasswordSettings{Version: version, Content: fmt.Sprint(winner)})
		}
	}},
}
