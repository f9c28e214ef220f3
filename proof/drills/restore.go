package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/usherkit/usher/internal/pgtest"
)

// operating is the guide whose statements the drill runs, so that the guide is tested.
const operating = "docs/operating.md"

// restore replaces the database by an older backup. Later changes are lost, as with any
// backup. The drill checks that the instances notice, and that after the documented
// statements no session is accepted that had ended.
func restore(ctx context.Context) (o outcome, err error) {
	statements, err := afterRestore()
	if err != nil {
		return o, err
	}
	d := &deployment{ctx: ctx}
	defer d.close()
	if err := d.start(scenario{cluster: pgtest.Options{Durable: true}, users: 4}); errors.Is(err, pgtest.ErrMissing) {
		return outcome{missing: err.Error()}, nil
	} else if err != nil {
		return o, err
	}
	l := d.load
	leaver, stayer, changer := l.users[0], l.users[1], l.users[2]
	dump := d.dir + "/backup"
	if err := d.cluster.Dump(ctx, "postgres", dump); err != nil {
		return o, err
	}
	// After the backup, one user signs out and one changes the password.
	session, refresh := leaver.session, leaver.refresh
	leaver.signOut()
	old := changer.passwords[0]
	changer.replacePassword()
	wait(ctx, 2*time.Second)

	if err := d.cluster.Restore(ctx, "postgres", dump); err != nil {
		return o, err
	}
	wait(ctx, 3*time.Second)
	if r := leaver.requestTo(d.instances[0].url, "GET", "/api/me", session, nil); r.status == 200 {
		l.violation(&l.out.accepted, "an instance accepts a session token whose revocation it knew before the restore")
	}
	back := leaver.request("POST", "/api/auth/session/refresh", "", map[string]string{"refreshToken": refresh})
	noticed := eventually(ctx, 40*time.Second, func() bool { return d.instances[0].hasLogged("older copy") && d.instances[1].hasLogged("older copy") })
	if !noticed {
		l.violation(nil, "the instances did not notice the older database")
	}

	for _, s := range statements {
		if err := execute(d.cluster.URL("postgres"), s); err != nil {
			return o, fmt.Errorf("%s: %w", s, err)
		}
	}
	repaired := time.Now()
	gone := eventually(ctx, 10*time.Second, func() bool {
		for _, m := range d.instances {
			for _, p := range []*user{leaver, stayer, changer} {
				if p.requestTo(m.url, "GET", "/api/me", p.session, nil).status == 200 || p.requestTo(m.url, "GET", "/api/me", session, nil).status == 200 {
					return false
				}
			}
		}
		return true
	})
	if !gone {
		l.violation(&l.out.accepted, "a token from before the restore is accepted 10 s after the statements")
	}
	took := time.Since(repaired)
	if r := leaver.request("POST", "/api/auth/session/refresh", "", map[string]string{"refreshToken": refresh}); r.status == 200 {
		l.violation(&l.out.accepted, "a session that was signed out is refreshed after the statements")
	}
	changer.passwords = []string{old} // as in the backup
	for _, p := range []*user{leaver, stayer, changer} {
		p.session, p.refresh = "", ""
		if p.signIn(); p.session == "" {
			l.violation(&l.out.lost, "%s cannot sign in after the restore", p.id)
		}
	}
	o = l.result(repaired)
	o.recovery = took
	o.note = "Both instances log that the database is an older copy. The refresh token of the session that had ended "
	if back.status == 200 {
		o.note += "works again"
	} else {
		o.note += fmt.Sprintf("gets %d", back.status)
	}
	o.note += " until the operator runs the statements in operating.md. Then every user signs in again, with the password of the backup."
	return o, nil
}

// eventually waits until done returns true and reports whether it did.
func eventually(ctx context.Context, most time.Duration, done func() bool) bool {
	for deadline := time.Now().Add(most); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return false
}

// afterRestore reads the statements that an operator runs after a restore.
func afterRestore() ([]string, error) {
	text, err := os.ReadFile(operating)
	if err != nil {
		return nil, fmt.Errorf("run the drill at the top of the repository: %w", err)
	}
	_, rest, ok := strings.Cut(string(text), "\n```sql\n")
	block, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		return nil, fmt.Errorf("%s lacks the statements after a restore", operating)
	}
	var out []string
	for s := range strings.SplitSeq(block, ";") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out, nil
}
