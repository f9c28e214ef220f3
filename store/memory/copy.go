package memory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// The functions below copy what a method takes and returns, so that no caller shares
// memory with the store.

// toMicros returns a time as a database stores it: in UTC and whole microseconds.
func toMicros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func copyUser(u store.User) store.User {
	u.LoginIDs = slices.Clone(u.LoginIDs)
	u.Roles = slices.Clone(u.Roles)
	u.Permissions = slices.Clone(u.Permissions)
	u.Tenants = copyTenants(u.Tenants)
	u.CreatedAt, u.UpdatedAt = toMicros(u.CreatedAt), toMicros(u.UpdatedAt)
	if u.Attributes != nil {
		// Cannot fail: the attributes were encoded when they were stored.
		_ = u.SetAttributes(u.StoredAttributes())
	}
	return u
}

func copyTenants(in map[string]token.Tenant) map[string]token.Tenant {
	if in == nil {
		return nil
	}
	out := make(map[string]token.Tenant, len(in))
	for id, t := range in {
		out[id] = token.Tenant{Roles: slices.Clone(t.Roles), Permissions: slices.Clone(t.Permissions)}
	}
	return out
}

// setAttributes gives a user attributes, as a database does that keeps them as JSON.
func setAttributes(u *store.User, in map[string]any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("memory: attributes: %w", err)
	}
	return u.SetAttributes(b)
}

func copyPassword(p store.Password) store.Password {
	p.Earlier = slices.Clone(p.Earlier)
	p.ChangedAt, p.UnprovenAt = toMicros(p.ChangedAt), toMicros(p.UnprovenAt)
	return p
}

func copyAccount(a store.Account) store.Account {
	return store.Account{User: copyUser(a.User), Password: copyPassword(a.Password)}
}

func copySession(s store.SessionRecord) store.SessionRecord {
	s.AMR = slices.Clone(s.AMR)
	s.Refresh.Current = bytes.Clone(s.Refresh.Current)
	s.Refresh.Previous = bytes.Clone(s.Refresh.Previous)
	s.CreatedAt, s.LastSeenAt = toMicros(s.CreatedAt), toMicros(s.LastSeenAt)
	s.IdleExpiresAt, s.ExpiresAt = toMicros(s.IdleExpiresAt), toMicros(s.ExpiresAt)
	s.Refresh.RotatedAt = toMicros(s.Refresh.RotatedAt)
	s.Refresh.Siblings = slices.Clone(s.Refresh.Siblings)
	for i, h := range s.Refresh.Siblings {
		s.Refresh.Siblings[i] = bytes.Clone(h)
	}
	s.Refresh.Retired = slices.Clone(s.Refresh.Retired)
	for i, t := range s.Refresh.Retired {
		s.Refresh.Retired[i] = store.RetiredToken{Hash: bytes.Clone(t.Hash), Until: toMicros(t.Until)}
	}
	return s
}

func copyToken(t store.OneTimeToken) store.OneTimeToken {
	t.Hash, t.CodeHash = bytes.Clone(t.Hash), bytes.Clone(t.CodeHash)
	t.CreatedAt, t.ExpiresAt = toMicros(t.CreatedAt), toMicros(t.ExpiresAt)
	return t
}

func copyInvitation(i store.Invitation) store.Invitation {
	i.Hash = bytes.Clone(i.Hash)
	i.Roles, i.Permissions, i.Tenants = slices.Clone(i.Roles), slices.Clone(i.Permissions), copyTenants(i.Tenants)
	i.CreatedAt, i.ExpiresAt = toMicros(i.CreatedAt), toMicros(i.ExpiresAt)
	return i
}

func copyEmail(q store.QueuedEmail) store.QueuedEmail {
	q.Sealed = bytes.Clone(q.Sealed)
	q.CreatedAt, q.NotBefore = toMicros(q.CreatedAt), toMicros(q.NotBefore)
	return q
}

func copyKeys(k store.SigningKeys) store.SigningKeys {
	k.Keys = slices.Clone(k.Keys)
	for i, one := range k.Keys {
		one.Private = bytes.Clone(one.Private)
		one.CreatedAt, one.ActiveAt = toMicros(one.CreatedAt), toMicros(one.ActiveAt)
		one.RetiredAt, one.RemovedAt = toMicros(one.RetiredAt), toMicros(one.RemovedAt)
		k.Keys[i] = one
	}
	return k
}

// cleanText reports whether every database can store every string in v: UTF-8 without a
// zero byte.
func cleanText(v any) bool {
	return v == nil || cleanValue(reflect.ValueOf(v))
}

func cleanValue(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		s := v.String()
		return utf8.ValidString(s) && !strings.ContainsRune(s, 0)
	case reflect.Pointer, reflect.Interface:
		return v.IsNil() || cleanValue(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return true
		}
		for i := range v.NumField() {
			if !cleanValue(v.Field(i)) {
				return false
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return true
		}
		for i := range v.Len() {
			if !cleanValue(v.Index(i)) {
				return false
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if !cleanValue(it.Key()) || !cleanValue(it.Value()) {
				return false
			}
		}
	default: // other kinds hold no text
	}
	return true
}
