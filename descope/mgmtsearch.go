package descope

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher"
)

const (
	defaultSearchLimit = 100
	maxSearchLimit     = 1000
	// maxSearchReach is how many users a search can page through. A page costs as much as
	// all pages before it.
	maxSearchReach = 10_000
)

// search is the input of searchUsers.
type search struct {
	usher.UserQuery
	limit, page int
	// loginIDs, userIDs and emails name users. With any of them, only these are found.
	loginIDs, userIDs, emails []string
}

// searchUsers answers POST /v2/mgmt/user/search.
func (h *Handler) searchUsers(c *call) (any, error) {
	s, err := readSearch(c.in)
	if err != nil {
		return nil, err
	}
	var users []usher.User
	var total int
	if s.loginIDs != nil || s.userIDs != nil || s.emails != nil {
		users, err = s.named(c)
		total = len(users)
		from := min(s.page*s.limit, total)
		users = users[from:min(from+s.limit, total)]
	} else {
		users, total, err = s.paged(c)
	}
	if err != nil {
		return nil, err
	}
	answer := manyUsers{Users: []userJSON{}, Total: int32(clamp(int64(total)))}
	for _, u := range users {
		j, err := h.managedUser(c, u)
		if err != nil {
			return nil, err
		}
		answer.Users = append(answer.Users, j)
	}
	return answer, nil
}

// readSearch reads the conditions. A condition that is not served is refused: without it a
// search would find users whom the caller does not mean.
func readSearch(o object) (search, error) {
	s := search{loginIDs: o.texts("loginIds"), userIDs: o.texts("userIds"), emails: o.texts("emails")}
	s.limit, s.page = cmp.Or(o.number("limit"), defaultSearchLimit), o.number("page")
	if s.limit < 0 || s.limit > maxSearchLimit {
		o.addError("limit", "invalid", "must be at most 1000")
	}
	if s.page < 0 || s.page >= maxSearchReach || (s.page+1)*s.limit > maxSearchReach {
		o.addError("page", "invalid", "must stay within the first 10,000 users")
	}
	s.Search = o.text("text")
	if roles := o.filled("roleNames"); len(roles) == 1 {
		s.Role = roles[0]
	} else if len(roles) > 1 {
		o.addError("roleNames", "invalid", "must have at most one role")
	}
	switch statuses := o.filled("statuses"); {
	case len(statuses) == 1:
		s.Status = usher.Status(statuses[0])
	case len(statuses) > 1 && !(len(statuses) == 2 && slices.Contains(statuses, "enabled") && slices.Contains(statuses, "disabled")):
		o.addError("statuses", "invalid", "must be enabled, disabled or both")
	}
	var created int64
	o.read("fromCreatedTime", &created, "must be a number of milliseconds")
	if created > 0 {
		s.CreatedSince = time.UnixMilli(created)
	}
	o.notServed("tenantIds", "sort", "phones", "customAttributes", "testUsersOnly", "ssoAppIds", "toCreatedTime", "fromModifiedTime",
		"toModifiedTime", "tenantRoleIds", "tenantRoleNames")
	return s, o.err()
}

// paged returns one page of the users who meet the conditions, and their number, up to
// 10,000.
func (s search) paged(c *call) (users []usher.User, total int, err error) {
	q, skip := s.UserQuery, s.page*s.limit
	q.Count, q.Limit = true, min(skip+s.limit, maxSearchLimit)
	for {
		page, err := c.operator.Users(c.r.Context(), q)
		if err != nil {
			return nil, 0, err
		}
		if q.Count {
			total, q.Count = page.Count, false
		}
		dropped := min(skip, len(page.Users))
		skip -= dropped
		users = append(users, page.Users[dropped:]...)
		if q.Cursor = page.Next; q.Cursor == "" || len(users) >= s.limit {
			return users[:min(len(users), s.limit)], total, nil
		}
	}
}

// named returns the named users who meet the other conditions, each once.
func (s search) named(c *call) (users []usher.User, err error) {
	add := func(u usher.User) {
		known := slices.ContainsFunc(users, func(v usher.User) bool { return v.ID == u.ID })
		if !known && s.matches(u) {
			users = append(users, u)
		}
	}
	for _, id := range s.userIDs {
		if u, err := c.operator.User(c.r.Context(), id); err == nil {
			add(u)
		} else if !noSuchUser(err) {
			return nil, err
		}
	}
	for _, id := range s.loginIDs {
		if u, err := c.operator.UserByLoginID(c.r.Context(), id); err == nil {
			add(u)
		} else if !noSuchUser(err) {
			return nil, err
		}
	}
	for _, address := range s.emails {
		if !strings.Contains(address, "@") {
			continue // it is no address, and the beginning of too many names
		}
		// Users choose their names, and many may have chosen a name that begins with the address.
		q := usher.UserQuery{Search: address, Limit: maxSearchLimit}
		for range maxSearchReach / maxSearchLimit {
			page, err := c.operator.Users(c.r.Context(), q)
			if err != nil {
				return nil, err
			}
			for _, u := range page.Users {
				if strings.EqualFold(u.Email, address) {
					add(u)
				}
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	return users, nil
}

// matches reports whether a user who was found by name meets the other conditions.
func (s search) matches(u usher.User) bool {
	return (s.Role == "" || slices.Contains(u.Roles, s.Role)) && (s.Status == "" || u.Status == s.Status) && !u.CreatedAt.Before(s.CreatedSince)
}
