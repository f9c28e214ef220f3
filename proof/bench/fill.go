package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	perUser = 5 // sessions of a filled user
	// fillStep is how many users are made at once: a transaction has an end.
	fillStep = 100_000
	day      = 24 * time.Hour
)

// scattered is the n-th of numbers in no order, each once: what it names lies
// anywhere in an index, as what has a random name does. It is SQL and Go alike.
const scattered = "(%s * 2654435761) %% 4294967296"

func scatter(n int) int { return n * 2654435761 % 4294967296 }

func filledSession(n int) string { return fmt.Sprintf("%022d", scatter(n)) }

func filledUser(n int) string { return "u" + filledSession(n) }

// The refresh tokens of all filled sessions have one hash, which no index knows.
var filledHash = make([]byte, 32)

// fill makes that many users, in a few statements, with five sessions each. The users
// of a step have theirs in turn, so that those of one user lie apart.
func (e *engine) fill(ctx context.Context, users int) error {
	if err := e.exec(ctx, e.beforeFill...); err != nil {
		return err
	}
	for a := 0; a < users; a += fillStep {
		if err := e.exec(ctx, e.fillStatements(a, min(a+fillStep, users))...); err != nil {
			return err
		}
	}
	return e.exec(ctx, e.afterFill...)
}

// fillStatements make the users from a to b.
func (e *engine) fillStatements(a, b int) []string {
	now := time.Now()
	id := func(number string) string { return e.padded(fmt.Sprintf(scattered, number)) }
	user := fmt.Sprintf("'u' || %s", id("i"))
	owner := fmt.Sprintf("'u' || %s", id(fmt.Sprintf("(%d + i %% %d)", a, b-a)))
	// Sessions began within the last eleven days.
	began := fmt.Sprintf("(%d - (%s) %% 1000000 * 1000000)", now.UnixMicro(), fmt.Sprintf(scattered, "i"))
	after := func(d time.Duration) string { return fmt.Sprintf("%s + %d", began, d.Microseconds()) }
	zeros := e.bytes(strings.Repeat("00", len(filledHash)))
	return []string{
		fmt.Sprintf(`INSERT INTO usher_users (id, login_ids, email, email_verified, name, given_name, middle_name, family_name, phone, picture,
			roles, permissions, tenants, attributes, status, created_at, updated_at,
			password_hash, password_state, password_version, password_changed_at, password_earlier)
			SELECT %s, '["user-' || i || '@example.com"]', 'user-' || i || '@example.com', true, 'Person ' || i, '', '', '', '', '',
			'["editor"]', '["write"]', '{}', '{}', 'enabled', %[2]d, %[2]d, '%[3]s', 'active', 1, %[2]d, '[]' FROM %[4]s`,
			user, now.Add(-30*day).UnixMicro(), strings.Repeat("h", 97), e.series(a, b-1)),
		fmt.Sprintf(`INSERT INTO usher_login_ids (canonical, user_id, position) SELECT 'user-' || i || '@example.com', %s, 0 FROM %s`, user, e.series(a, b-1)),
		fmt.Sprintf(`INSERT INTO usher_sessions (id, user_id, kind, created_at, last_seen_at, idle_expires_at, expires_at, ends_at, amr, user_agent, address,
			refresh_hash, previous_hash, rotated_at)
			SELECT %[1]s, %[2]s, 'full', %[3]s, %[3]s, %[4]s, %[5]s, %[4]s, '["pwd"]',
			'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', '192.0.2.1', %[6]s, %[7]s, %[3]s FROM %[8]s`,
			id("i"), owner, began, after(14*day), after(30*day), zeros, e.bytes(strings.Repeat("01", len(filledHash))), e.series(perUser*a, perUser*b-1)),
	}
}
