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

// operating is the file whose statements the drill runs, so that they are what an
// operator will find there.
const operating = "docs/operating.md"

// restore: the database is an older copy of itself again. What was acknowledged
// since is lost, as with any backup; the drill shows that it is noticed, and that
// the documented statements keep what was ended from coming back.
func restore(ctx context.Context, _ drill) (o outcome, err error) {
	statements, err := afterRestore()
	if err != nil {
		return o, err
	}
	w := &world{ctx: ctx}
	defer w.close()
	if err := w.begin(plan{cluster: pgtest.Options{Durable: true}, people: 4}); errors.Is(err, pgtest.ErrMissing) {
		return outcome{missing: err.Error()}, nil
	} else if err != nil {
		return o, err
	}
	c := w.crowd
	leaver, stayer, changer := c.people[0], c.people[1], c.people[2]
	dump := w.dir + "/backup"
	if err := w.cluster.Dump(ctx, "postgres", dump); err != nil {
		return o, err
	}
	// After the backup: one signs out, one changes the password.
	session, refresh := leaver.session, leaver.refresh
	leaver.signOut()
	old := changer.password[0]
	changer.replace()
	wait(ctx, 2*time.Second)

	if err := w.cluster.Restore(ctx, "postgres", dump); err != nil {
		return o, err
	}
	wait(ctx, 3*time.Second)
	if r := leaver.askAt(w.machines[0].url, "GET", "/api/me", session, nil); r.status == 200 {
		c.broke(&c.out.letIn, "a session token that was revoked before the restore is accepted by a machine that knew")
	}
	back := leaver.ask("POST", "/api/auth/session/refresh", "", map[string]string{"refreshToken": refresh})
	noticed := eventually(ctx, 40*time.Second, func() bool { return w.machines[0].said("older copy") && w.machines[1].said("older copy") })
	if !noticed {
		c.broke(nil, "the machines did not notice that the store went back")
	}

	// What the operator does.
	for _, s := range statements {
		if err := execute(w.cluster.URL("postgres"), s); err != nil {
			return o, fmt.Errorf("%s: %w", s, err)
		}
	}
	mended := time.Now()
	gone := eventually(ctx, 10*time.Second, func() bool {
		for _, m := range w.machines {
			for _, p := range []*person{leaver, stayer, changer} {
				if p.askAt(m.url, "GET", "/api/me", p.session, nil).status == 200 || p.askAt(m.url, "GET", "/api/me", session, nil).status == 200 {
					return false
				}
			}
		}
		return true
	})
	if !gone {
		c.broke(&c.out.letIn, "a token from before is accepted 10 s after the operator's statements")
	}
	took := time.Since(mended)
	if r := leaver.ask("POST", "/api/auth/session/refresh", "", map[string]string{"refreshToken": refresh}); r.status == 200 {
		c.broke(&c.out.letIn, "a session that was signed out is refreshed again after the operator's statements")
	}
	changer.password = []string{old} // the backup's
	for _, p := range []*person{leaver, stayer, changer} {
		p.session, p.refresh = "", ""
		if p.signIn(); p.session == "" {
			c.broke(&c.out.lost, "%s cannot sign in after the restore", p.id)
		}
	}
	o = c.out
	o.good, o.unavailable, o.slowest, o.recovered = c.good.Load(), c.unavailable.Load(), time.Duration(c.slowest.Load()), took
	o.note = "Both machines log that the store is an older copy. The signed-out session's refresh token "
	if back.status == 200 {
		o.note += "works again"
	} else {
		o.note += fmt.Sprintf("was answered %d", back.status)
	}
	o.note += " until the statements of operating.md are run; everybody signs in again then, with the password of the backup."
	return o, nil
}

// eventually waits until done, and reports whether that came.
func eventually(ctx context.Context, most time.Duration, done func() bool) bool {
	for deadline := time.Now().Add(most); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return false
}

// afterRestore reads the statements for after a restore.
func afterRestore() ([]string, error) {
	text, err := os.ReadFile(operating)
	if err != nil {
		return nil, fmt.Errorf("run it at the top of the repository: %w", err)
	}
	_, rest, ok := strings.Cut(string(text), "<!-- after a restore -->\n```sql\n")
	block, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		return nil, fmt.Errorf("%s has no statements for after a restore", operating)
	}
	var out []string
	for s := range strings.SplitSeq(block, ";") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out, nil
}
