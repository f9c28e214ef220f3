package usher_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store/memory"
)

// A command-line tool works on the store of a running program, and leaves the
// background work to it.
func TestNoBackgroundLeavesTheWorkToOtherInstances(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st, c := memory.New(), newClock()
		tool := newKitOn(t, st, c, func(cfg *usher.Config) { cfg.NoBackground = true })
		_, err := tool.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: goodPassword}, home)
		wantErr(t, err, usher.ErrUnavailable) // it made no signing key
		program := newKitOn(t, st, c)
		tool = newKitOn(t, st, c, func(cfg *usher.Config) { cfg.NoBackground = true })

		tool.signUp(ann)
		time.Sleep(time.Minute) // the bubble's clock
		tool.mail.mu.Lock()
		sent := len(tool.mail.all)
		tool.mail.mu.Unlock()
		if sent != 0 {
			t.Errorf("the tool sent %d emails", sent)
		}
		program.wantEmails("verify_email")

		// What a caller asks for is done before the call returns.
		if err := tool.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: ann}, home); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		program.wantEmails("confirm_and_reset")
		if err := tool.Close(ctx); err != nil {
			t.Fatal(err)
		}
	})
}

// A process that runs only now and then does the background work when the program calls
// for it, from 64 goroutines as from one.
func TestRunBackgroundDoesWhatIsDue(t *testing.T) {
	t.Parallel()
	st, c := memory.New(), newClock()
	program := newKitOn(t, st, c)
	k := newKitOn(t, st, c, func(cfg *usher.Config) { cfg.NoBackground = true })
	a := program.signUp(ann)
	program.wantEmails("verify_email")
	if err := program.SignOut(ctx, program.claims(a), home); err != nil {
		t.Fatal(err)
	}
	if err := program.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: ann}, home); err != nil {
		t.Fatal(err)
	}
	run := func() {
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				if err := k.RunBackground(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	state := func() string {
		_, err := k.ValidateSession(ctx, a.Tokens.Session)
		rows, rowsErr := st.Revocations(ctx, 0)
		if rowsErr != nil {
			t.Fatal(rowsErr)
		}
		return fmt.Sprint(err == nil, len(rows), len(k.mail.all), len(k.publishedKids()))
	}
	if got := state(); got != "true 1 0 1" {
		t.Errorf("before: valid, revocations, emails, keys are %s", got)
	}
	run()
	if got := state(); got != "false 1 1 1" {
		t.Errorf("after: valid, revocations, emails, keys are %s", got)
	}
	c.add(89*24*time.Hour + time.Hour) // the next key is published a day before it signs
	run()
	if got := state(); got != "false 0 1 2" {
		t.Errorf("89 days later: valid, revocations, emails, keys are %s", got)
	}
}
