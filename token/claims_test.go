package token_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usherkit/usher/token"
)

func TestTV16_ClaimNeverPanics(t *testing.T) {
	c := &token.Claims{Extra: map[string]json.RawMessage{}}
	for _, text := range []string{`"x"`, `7`, `7.5`, `-1`, `1e400`, `true`, `null`, `[]`, `["x"]`, `{}`, `{"A":1}`, ``, `{`} {
		c.Extra["x"] = json.RawMessage(text)
		want := map[string]bool{}
		_, want["string"] = token.Claim[string](c, "x")
		_, want["int"] = token.Claim[int](c, "x")
		_, want["uint8"] = token.Claim[uint8](c, "x")
		_, want["bool"] = token.Claim[bool](c, "x")
		_, want["strings"] = token.Claim[[]string](c, "x")
		_, want["map"] = token.Claim[map[string]int](c, "x")
		_, _ = token.Claim[any](c, "x")
		_, _ = token.Claim[func()](c, "x")
		fits := map[string]string{`"x"`: "string", `7`: "int uint8", `-1`: "int", `true`: "bool", `[]`: "strings", `["x"]`: "strings", `{}`: "map", `{"A":1}`: "map"}
		got := ""
		for _, name := range []string{"string", "int", "uint8", "bool", "strings", "map"} {
			if want[name] {
				got += " " + name
			}
		}
		if got != "" {
			got = got[1:]
		}
		if got != fits[text] {
			t.Errorf("%s fits %q, want %q", text, got, fits[text])
		}
	}
	if _, ok := token.Claim[string](nil, "x"); ok {
		t.Error("a claim of no token")
	}
	if v, ok := token.Claim[[]int](&token.Claims{Extra: map[string]json.RawMessage{"x": json.RawMessage(`[1,"b"]`)}}, "x"); ok || v != nil {
		t.Errorf("half a value: %v", v)
	}
	one := &token.Claims{Roles: []string{"r", ""}, Permissions: []string{"p", ""}}
	if !one.HasRole("r") || one.HasRole("p") || one.HasRole("") || !one.HasPermission("p") || one.HasPermission("r") || one.HasPermission("") {
		t.Error("other rights than those of the claims")
	}
	var none *token.Claims
	if none.HasRole("x") || none.HasPermission("x") || (&token.Claims{Roles: []string{""}}).HasRole("") {
		t.Error("rights from nothing")
	}
}

func TestOP09_ATokenNamesItsActor(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		act  any
		want string
	}{
		"an operator":            {object{"sub": "ops:alice"}, "ops:alice"},
		"further members":        {object{"sub": "ops:alice", "iss": "x", "act": object{"sub": "earlier"}}, "ops:alice"},
		"no object":              {"ops:alice", ""},
		"an array":               {[]any{object{"sub": "ops:alice"}}, ""},
		"no sub":                 {object{"iss": "x"}, ""},
		"another case":           {object{"Sub": "ops:alice"}, ""},
		"an empty sub":           {object{"sub": ""}, ""},
		"a sub that is a number": {object{"sub": 7}, ""},
		"empty":                  {object{}, ""},
		"false":                  {false, ""},
	} {
		raw := w.craft(t, w.header().json(t), w.payload().with("act", c.act).json(t))
		claims, err := w.verifier.Verify(t.Context(), token.Secret(raw), token.TypeSession)
		if c.want == "" {
			if !errors.Is(err, token.ErrInvalid) {
				t.Errorf("%s: %v, want it refused", name, err)
			}
			continue
		}
		if err != nil || claims.Actor != c.want || claims.Extra["act"] != nil {
			t.Errorf("%s: %+v %v", name, claims, err)
		}
	}
}

func TestTN05_RightsWithinATenantAreItsOwn(t *testing.T) {
	c := &token.Claims{
		Roles: []string{"top", ""}, Permissions: []string{"top", ""},
		Tenants: map[string]token.Tenant{"a": {}, "b": {Roles: []string{"r", ""}, Permissions: []string{"p", ""}}, "": {Roles: []string{"r"}, Permissions: []string{"p"}}},
	}
	for _, tenant := range []string{"a", "b", "B", "c", ""} {
		if got, want := c.InTenant(tenant), tenant == "a" || tenant == "b"; got != want {
			t.Errorf("InTenant(%q) is %v", tenant, got)
		}
		for _, right := range []string{"r", "p", "top", "R", ""} {
			if got, want := c.HasTenantRole(tenant, right), tenant == "b" && right == "r"; got != want {
				t.Errorf("HasTenantRole(%q, %q) is %v", tenant, right, got)
			}
			if got, want := c.HasTenantPermission(tenant, right), tenant == "b" && right == "p"; got != want {
				t.Errorf("HasTenantPermission(%q, %q) is %v", tenant, right, got)
			}
		}
	}
	for _, c := range []*token.Claims{nil, {}} {
		if c.InTenant("a") || c.HasTenantRole("a", "r") || c.HasTenantPermission("a", "p") {
			t.Errorf("%+v has rights", c)
		}
	}
}

func TestClaims_CloneSharesNothing(t *testing.T) {
	make := func() *token.Claims {
		return &token.Claims{
			Audience: []string{"a"}, AMR: []string{"pwd"}, Roles: []string{"r"}, Permissions: []string{"p"},
			Tenants: map[string]token.Tenant{"t": {Roles: []string{"r"}, Permissions: []string{"p"}}},
			Extra:   map[string]json.RawMessage{"x": json.RawMessage(`1`)},
		}
	}
	c := make()
	d := c.Clone()
	if diff := cmp.Diff(*c, d); diff != "" {
		t.Fatal(diff)
	}
	d.Audience[0], d.AMR[0], d.Roles[0], d.Permissions[0] = "x", "x", "x", "x"
	d.Tenants["t"].Roles[0], d.Tenants["t"].Permissions[0], d.Extra["x"][0] = "x", "x", '2'
	delete(d.Tenants, "t")
	d.Extra["y"] = nil
	if diff := cmp.Diff(make(), c); diff != "" {
		t.Error(diff)
	}
}

func TestError_IsWhatItsReasonSays(t *testing.T) {
	for reason, want := range map[string][]error{
		token.ReasonMalformed:   {token.ErrInvalid},
		token.ReasonSignature:   {token.ErrInvalid},
		token.ReasonExpired:     {token.ErrInvalid, token.ErrExpired},
		token.ReasonRevoked:     {token.ErrInvalid, token.ErrRevoked},
		token.ReasonUnavailable: {token.ErrUnavailable},
	} {
		err := error(&token.Error{Reason: reason})
		for _, sentinel := range []error{token.ErrInvalid, token.ErrExpired, token.ErrRevoked, token.ErrUnavailable} {
			expected := false
			for _, e := range want {
				expected = expected || e == sentinel
			}
			if errors.Is(err, sentinel) != expected {
				t.Errorf("%s is %v: %v", reason, sentinel, !expected)
			}
		}
		if err.Error() == "" {
			t.Error("no text")
		}
	}
}
