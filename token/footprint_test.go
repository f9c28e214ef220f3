package token

import (
	"encoding/json"
	"fmt"
	"testing"
	"unsafe"
)

// The footprint of a token counts each part of its claims with at least the memory that
// its fixed parts use, so that tokens with many short parts do not exceed the cache.
func TestCache_EachPartOfTheClaimsCounts(t *testing.T) {
	const many = 100
	texts := make([]string, many)
	extra, tenants := map[string]json.RawMessage{}, map[string]Tenant{}
	for n := range many {
		extra[fmt.Sprint(n)], tenants[fmt.Sprint(n)] = nil, Tenant{}
	}
	perText := int(unsafe.Sizeof(""))
	perExtra := perText + int(unsafe.Sizeof(json.RawMessage(nil)))
	perTenant := perText + int(unsafe.Sizeof(Tenant{}))
	few := footprint("token", &Claims{})
	if longer := footprint("a longer token", &Claims{}); longer <= few {
		t.Errorf("a longer token has %d bytes, a shorter one %d", longer, few)
	}
	for name, c := range map[string]struct {
		claims Claims
		each   int
	}{
		"audiences":         {Claims{Audience: texts}, perText},
		"methods":           {Claims{AMR: texts}, perText},
		"roles":             {Claims{Roles: texts}, perText},
		"permissions":       {Claims{Permissions: texts}, perText},
		"members":           {Claims{Extra: extra}, perExtra},
		"tenants":           {Claims{Tenants: tenants}, perTenant},
		"roles in a tenant": {Claims{Tenants: map[string]Tenant{"t": {Roles: texts}}}, perText},
		"permissions in it": {Claims{Tenants: map[string]Tenant{"t": {Permissions: texts}}}, perText},
	} {
		if got := footprint("token", &c.claims) - few; got < many*c.each || got > 4*many*c.each {
			t.Errorf("%d %s count as %d bytes, want at least %d", many, name, got, many*c.each)
		}
	}
}
