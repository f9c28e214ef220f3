package memory

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/usherkit/usher/store"
)

// Users implements [store.UserStore].
func (m *Store) Users(ctx context.Context, q store.UserQuery) (page store.UserPage, err error) {
	err = m.transact(ctx, q, func(s *transaction) error {
		var found []store.UserPosition
		for id, a := range s.accounts {
			at := store.UserPosition{ID: id, CreatedAt: a.User.CreatedAt}
			if q.Search != "" {
				term, ok := firstTerm(q.Search, append(slices.Clone(s.canonical[id]), lowerASCII(a.User.Email), lowerASCII(a.User.Name)))
				if !ok {
					continue
				}
				at = store.UserPosition{ID: id, Term: term}
			}
			if (q.Status == "" || a.User.Status == q.Status) && (q.Role == "" || slices.Contains(a.User.Roles, q.Role)) &&
				!a.User.CreatedAt.Before(toMicros(q.CreatedSince)) {
				found = append(found, at)
			}
		}
		slices.SortFunc(found, comparePositions)
		if q.Count {
			page.Count, page.More = min(len(found), store.MaxUserCount), len(found) > store.MaxUserCount
		}
		if q.After != nil {
			found = slices.DeleteFunc(found, func(at store.UserPosition) bool { return comparePositions(at, *q.After) <= 0 })
		}
		if len(found) > q.Limit {
			found = found[:q.Limit]
			page.Next = &found[q.Limit-1]
		}
		for _, at := range found {
			page.Accounts = append(page.Accounts, copyAccount(s.accounts[at.ID]))
		}
		return nil
	})
	return page, err
}

// firstTerm returns the first of the terms, in the order of bytes, that begins with
// search, and whether there is one.
func firstTerm(search string, terms []string) (string, bool) {
	terms = slices.DeleteFunc(terms, func(t string) bool { return !strings.HasPrefix(t, search) })
	if len(terms) == 0 {
		return "", false
	}
	return slices.Min(terms), true
}

func comparePositions(a, b store.UserPosition) int {
	if a.Term != "" {
		return cmp.Or(strings.Compare(a.Term, b.Term), strings.Compare(a.ID, b.ID))
	}
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
