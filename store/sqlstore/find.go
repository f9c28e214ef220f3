package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher/store"
)

// maxExamined is about how many rows one page examines, so that conditions that few
// users meet together do not make it read a whole table. It reads maxRead at a time, or
// a page if that is more.
const (
	maxExamined = 1000
	maxRead     = 256
)

// Users implements [store.UserStore].
func (s *Store) Users(ctx context.Context, q store.UserQuery) (page store.UserPage, err error) {
	err = s.read(ctx, "find users", func(r runner) error {
		if q.Count {
			if err := countUsers(ctx, r, q, &page); err != nil {
				return err
			}
		}
		after, n := q.After, q.Limit+1
		for examined := 0; ; n = max(n, min(2*n, maxRead)) {
			found, more, err := userRows(ctx, r, q, after, n)
			if err != nil {
				return err
			}
			for _, row := range found {
				if row.matches {
					if len(page.Accounts) == q.Limit {
						page.Next = after
						return nil
					}
					page.Accounts = append(page.Accounts, row.account)
				}
				after = &row.at
			}
			examined += len(found)
			if !more {
				return nil
			}
			if examined >= maxExamined {
				page.Next = after
				return nil
			}
		}
	})
	if err != nil {
		return store.UserPage{}, err
	}
	return page, nil
}

// userRow is a row of an index, with its user.
type userRow struct {
	at      store.UserPosition
	source  int
	matches bool
	account store.Account
}

// userRows returns the users after a position, in order, from at most n rows of each
// index, and whether further rows may follow.
func userRows(ctx context.Context, r runner, q store.UserQuery, after *store.UserPosition, n int) (rows []userRow, more bool, err error) {
	keys, args := userKeys(r.dialect, q, after, n)
	condition, conditionArgs := userCondition(r.dialect, q)
	query := `SELECT k.term, k.created_at, k.source, ` + condition + `, ` + accountColumns + `
		FROM ` + r.dialect.usersOf(keys)
	err = r.query(ctx, func(row scanner) error {
		var u userRow
		if err := row.Scan(append([]any{&u.at.Term, timeColumn{&u.at.CreatedAt}, &u.source, &u.matches}, accountDest(&u.account)...)...); err != nil {
			return err
		}
		if u.at.ID = u.account.User.ID; q.Search != "" {
			u.at.CreatedAt = time.Time{}
		}
		rows = append(rows, u)
		return nil
	}, query, slices.Concat(conditionArgs, args)...)
	if err != nil {
		return nil, false, err
	}
	slices.SortFunc(rows, func(a, b userRow) int { return comparePositions(a.at, b.at) })
	rows, more = completeRows(rows, n)
	rows = slices.CompactFunc(rows, func(a, b userRow) bool { return a.at == b.at })
	// The range of the index of login ids begins at the term of after, and ignores its id.
	if after != nil && len(rows) > 0 && comparePositions(rows[0].at, *after) <= 0 {
		rows = rows[1:]
	}
	return rows, more, nil
}

// completeRows removes the rows behind the end of an index that has n rows, because
// its further rows may come before them. It reports whether there is such an index.
func completeRows(rows []userRow, n int) ([]userRow, bool) {
	var count [3]int
	for i, row := range rows {
		if count[row.source]++; count[row.source] == n {
			return rows[:i+1], true
		}
	}
	return rows, false
}

func comparePositions(a, b store.UserPosition) int {
	if a.Term != b.Term {
		return strings.Compare(a.Term, b.Term)
	}
	if a.Term != "" {
		return strings.Compare(a.ID, b.ID)
	}
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
}

// lastCreated is later than the creation of every user: the last time that can be stored.
var lastCreated = never

// userKeys returns a subquery of the places and ids of users: at most n rows of each index that
// answers q, after a position.
func userKeys(d Dialect, q store.UserQuery, after *store.UserPosition, n int) (string, []any) {
	if q.Search == "" {
		at := store.UserPosition{CreatedAt: lastCreated}
		if after != nil {
			at = *after
		}
		from, id, args := `usher_users WHERE`, `id`, []any{}
		switch {
		case q.Role != "":
			from, id, args = `usher_user_roles WHERE role = ? AND`, `user_id`, []any{q.Role}
		case q.Status != "":
			from, args = `usher_users WHERE status = ? AND`, []any{string(q.Status)}
		}
		return `(SELECT '' AS term, created_at, ` + id + ` AS id, 0 AS source FROM ` + from + ` created_at >= ? AND (created_at, ` + id + `) < (?, ?)
			ORDER BY created_at DESC, ` + id + ` DESC LIMIT ?)`, append(args, sinceMicros(q), at.CreatedAt, at.ID, n)
	}
	at := store.UserPosition{Term: q.Search}
	if after != nil {
		at = *after
	}
	// The last code point of Unicode is not a character, so no stored text contains it.
	end := q.Search + "\U0010FFFF"
	query := `(SELECT * FROM (SELECT canonical AS term, 0 AS created_at, user_id AS id, 0 AS source FROM usher_login_ids
			WHERE canonical >= ? AND canonical < ? ORDER BY canonical LIMIT ?) l`
	args := []any{at.Term, end, n}
	for i, term := range []string{d.lower("email"), d.lower("name")} {
		columns := `SELECT * FROM (SELECT ` + term + ` AS term, 0 AS created_at, id, ` + []string{"1", "2"}[i] + ` AS source FROM usher_users WHERE `
		// Two ranges, because SQLite finds no range of an expression for (term, id) > (?, ?).
		query += ` UNION ALL ` + columns + term + ` = ? AND id > ? ORDER BY id LIMIT ?) s` +
			` UNION ALL ` + columns + term + ` > ? AND ` + term + ` < ? ORDER BY ` + term + `, id LIMIT ?) n`
		args = append(args, at.Term, at.ID, n, at.Term, end, n)
	}
	return query + `)`, args
}

// userFilters returns what a row of the index of userKeys does not prove.
func userFilters(q store.UserQuery) (filters []string, args []any) {
	if q.Status != "" && (q.Search != "" || q.Role != "") {
		filters, args = append(filters, `u.status = ?`), append(args, string(q.Status))
	}
	if q.Search == "" {
		return filters, args
	}
	if q.Role != "" {
		filters, args = append(filters, `(SELECT COUNT(*) FROM usher_user_roles r WHERE r.role = ? AND r.created_at = u.created_at AND r.user_id = u.id) > 0`), append(args, q.Role)
	}
	if !q.CreatedSince.IsZero() {
		filters, args = append(filters, `u.created_at >= ?`), append(args, q.CreatedSince)
	}
	return filters, args
}

// userCondition returns an expression that says whether a row is the place of a user
// who matches.
func userCondition(d Dialect, q store.UserQuery) (string, []any) {
	filters, args := userFilters(q)
	if q.Search != "" {
		// A user is at the first of the texts that match.
		filters = append(filters, `NOT (`+d.lower("u.email")+` >= ? AND `+d.lower("u.email")+` < k.term
			OR `+d.lower("u.name")+` >= ? AND `+d.lower("u.name")+` < k.term
			OR EXISTS (SELECT 1 FROM usher_login_ids l WHERE l.user_id = u.id AND l.canonical >= ? AND l.canonical < k.term))`)
		args = append(args, q.Search, q.Search, q.Search)
	}
	if len(filters) == 0 {
		return `1 = 1`, nil
	}
	return `(` + strings.Join(filters, ` AND `) + `)`, args
}

// countUsers sets the count of a page.
func countUsers(ctx context.Context, r runner, q store.UserQuery, page *store.UserPage) error {
	keys, args := userKeys(r.dialect, q, nil, store.MaxUserCount+1)
	counted, from := `k.id`, keys+` k`
	if filters, filterArgs := userFilters(q); len(filters) > 0 {
		counted = `CASE WHEN ` + strings.Join(filters, ` AND `) + ` THEN u.id END`
		from = r.dialect.usersOf(keys)
		args = slices.Concat(filterArgs, args)
	}
	var bySource [3]int
	if err := r.get(ctx, []any{&page.Count, &bySource[0], &bySource[1], &bySource[2]}, `SELECT COUNT(DISTINCT `+counted+`),
		COUNT(CASE WHEN k.source = 0 THEN 1 END), COUNT(CASE WHEN k.source = 1 THEN 1 END), COUNT(CASE WHEN k.source = 2 THEN 1 END) FROM `+from, args...); err != nil {
		return err
	}
	page.More = page.Count > store.MaxUserCount || slices.Max(bySource[:]) > store.MaxUserCount
	page.Count = min(page.Count, store.MaxUserCount)
	return nil
}

// sinceMicros returns the first time of creation, as it is stored.
func sinceMicros(q store.UserQuery) int64 {
	if q.CreatedSince.IsZero() {
		return -1 << 62
	}
	return q.CreatedSince.UnixMicro()
}
