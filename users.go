package usher

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usherkit/usher/internal/loginid"
	"github.com/usherkit/usher/store"
)

// UserQuery selects users. A user must meet every condition that is set. The zero
// UserQuery selects all users.
type UserQuery struct {
	// Search selects the users with a login id, an email address or a name that begins
	// with this text, of at most 254 bytes. ASCII letters compare without case, and no
	// character has a special meaning. Defaults to all users. To find one user by the
	// whole login id, call [Operator.UserByLoginID].
	Search string
	// Status selects the users of one status. Defaults to all.
	Status Status
	// Role selects the users with one role, of at most 200 characters. Defaults to all.
	Role string
	// CreatedSince selects the users who were created at that time or later. Defaults
	// to all.
	CreatedSince time.Time
	// Limit is the maximum number of users on a page. Defaults to 100, at most 1000.
	Limit int
	// Cursor continues after a page: it is that page's Next, for the same conditions.
	// Limit and Count may differ. A cursor does not expire, and reveals nothing of the
	// users. Defaults to the first page.
	Cursor string
	// Count asks for UserPage.Count. Defaults to false.
	Count bool
}

// UserPage is one page of users.
type UserPage struct {
	// Users are the users of the page. There may be fewer than UserQuery.Limit, or none,
	// although Next is set, if few users meet several conditions.
	Users []User
	// Next is the Cursor of the following page. It is empty on the last page only.
	Next string
	// Count is the number of users on all pages, if UserQuery.Count is set. It counts to
	// 10,000 at most, because the cost grows with the number.
	Count int
	// More means that Count is a minimum: there are further users, or, with a Search and
	// another condition, there may be.
	More bool
}

// Users returns one page of users: those found by a Search in alphabetical order of what
// was found, others newest first. To read all pages, set Cursor to the Next of the page
// before until Next is empty. Each user who matches during all that time is then returned
// exactly once, even if others are created, changed and deleted meanwhile. With a Search, a
// user whose login ids, address or name change meanwhile may be missed or come twice. Each
// page costs the same, whatever the number of users.
//
// Errors: a [*FieldError] for a condition that is not valid, and for a cursor that is
// damaged or belongs to other conditions; [ErrUnavailable].
func (o *Operator) Users(ctx context.Context, q UserQuery) (UserPage, error) {
	in, err := q.stored()
	if err != nil {
		return UserPage{}, err
	}
	if in.After, err = o.s.openCursor(q); err != nil {
		return UserPage{}, err
	}
	found, err := o.s.store.Users(ctx, in)
	if err != nil {
		return UserPage{}, o.s.storeError(err)
	}
	page := UserPage{Count: found.Count, More: found.More, Next: o.s.sealCursor(q, found.Next)}
	for _, a := range found.Accounts {
		page.Users = append(page.Users, a.User)
	}
	return page, nil
}

// stored returns the query of the store, without the cursor.
func (q UserQuery) stored() (store.UserQuery, error) {
	if err := q.validate(); err != nil {
		return store.UserQuery{}, err
	}
	return store.UserQuery{
		Search: loginid.LowerASCII(q.Search), Status: q.Status, Role: q.Role, CreatedSince: q.CreatedSince, Limit: pageLimit(q.Limit), Count: q.Count,
	}, nil
}

func (q UserQuery) validate() error {
	for _, f := range []struct {
		name, value string
		tooLong     bool
		atMost      string
	}{
		{"search", q.Search, len(q.Search) > 254, "254 bytes"},
		{"role", q.Role, utf8.RuneCountInString(q.Role) > store.MaxRoleLength, "200 characters"},
	} {
		if f.tooLong {
			return &FieldError{f.name, "too_long", "must be at most " + f.atMost}
		}
		if !isStorable(f.value) {
			return &FieldError{f.name, "invalid", "must be UTF-8 text without control characters"}
		}
	}
	switch q.Status {
	case "", StatusEnabled, StatusDisabled:
		return nil
	}
	return &FieldError{"status", "invalid", fmt.Sprintf("must be %s or %s", StatusEnabled, StatusDisabled)}
}

// isStorable reports whether the stores take the text. Every id in a store is such a text.
func isStorable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// conditions returns a text that two queries share if one cursor serves both.
func (q UserQuery) conditions() string {
	q.Limit, q.Cursor, q.Count, q.CreatedSince, q.Search = 0, "", false, q.CreatedSince.UTC(), loginid.LowerASCII(q.Search)
	b, _ := json.Marshal(q) // cannot fail: there are texts and a time
	return string(b)
}

// sealCursor returns a position as a cursor. It is sealed, because it holds a login id, an
// address or a name, and because a cursor may be part of a URL.
func (s *Service) sealCursor(q UserQuery, at *store.UserPosition) string {
	if at == nil {
		return ""
	}
	b, _ := json.Marshal(at) // cannot fail, as above
	return encode(s.cursorBox.Seal(b, q.conditions()))
}

// openCursor returns the position of the cursor of a query.
func (s *Service) openCursor(q UserQuery) (*store.UserPosition, error) {
	if q.Cursor == "" {
		return nil, nil
	}
	position, err := s.unsealCursor(q.Cursor, q.conditions())
	at := &store.UserPosition{}
	if err == nil {
		err = json.Unmarshal(position, at)
	}
	if err != nil {
		return nil, &FieldError{"cursor", "invalid", "must be the Next of an earlier page with the same conditions"}
	}
	return at, nil
}

// unsealCursor returns what a cursor of those conditions holds.
func (s *Service) unsealCursor(cursor, conditions string) ([]byte, error) {
	sealed, err := decode(cursor)
	if err != nil {
		return nil, err
	}
	return s.cursorBox.Open(sealed, conditions)
}

// pageLimit returns how many entries a page has: by default 100, at most 1000.
func pageLimit(limit int) int {
	if limit <= 0 {
		return 100
	}
	return min(limit, 1000)
}
