package calls

import (
	"slices"
	"testing"

	sdk "github.com/descope/go-sdk/descope"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

// Tenants checks roles in tenants, where the SDK and the claims of this module must agree in
// every cell: a tenant without roles, one with two, one of which the user is no member, and
// the roles outside of any tenant, before and after a tenant is selected, and after the user
// was removed from it.
func Tenants(t *testing.T, m Mode) {
	w := NewWorld(t, m)
	auth := w.Client.Auth
	up, err := auth.Password().SignUp(ctx, Ann, nil, First, nil)
	must(t, err)
	set := func(tenants map[string]token.Tenant) {
		_, err := w.Service.Operator("test").UpdateUser(ctx, up.User.UserID, usher.UpdateUserParams{Roles: &[]string{"staff", "auditor"}, Tenants: &tenants})
		must(t, err)
	}
	rights := token.Tenant{Roles: []string{"owner", "editor"}, Permissions: []string{"sell"}}
	set(map[string]token.Tenant{"a": {}, "b": rights})
	refresh := up.RefreshToken.JWT
	refreshed := func() *sdk.Token {
		t.Helper()
		ok, token, err := auth.RefreshSessionWithToken(ctx, refresh)
		if !ok || err != nil {
			t.Fatal(err)
		}
		return token
	}
	selected := func(tenant string) *sdk.Token {
		t.Helper()
		info, err := auth.SelectTenantWithToken(ctx, tenant, refresh)
		must(t, err)
		refresh = info.RefreshToken.JWT
		return info.SessionToken
	}
	none := refreshed()
	w.agree(none, "", "a", "b")
	list, err := auth.MyTenants(ctx, WithTokens("", refresh), false, nil)
	if must(t, err); len(list.Tenants) != 2 || list.Tenants[0].ID != "a" {
		t.Errorf("the tenants are %+v", list)
	}
	_, err = auth.SelectTenantWithToken(ctx, "c", refresh)
	WantCode(t, err, "E062906", 403)
	w.agree(selected("a"), "a", "a", "b")
	inB := selected("b")
	w.agree(inB, "b", "a", "b")
	list, err = auth.MyTenants(ctx, WithTokens("", refresh), true, nil)
	if must(t, err); len(list.Tenants) != 1 || list.Tenants[0].ID != "b" {
		t.Errorf("the current tenant is %+v", list)
	}
	list, err = auth.MyTenants(ctx, WithTokens("", refresh), false, []string{"b", "c"})
	if must(t, err); len(list.Tenants) != 1 {
		t.Errorf("the tenants of a list are %+v", list)
	}
	set(map[string]token.Tenant{"a": {}})
	w.agree(inB, "b", "a", "b") // as long as the session token lives
	w.agree(refreshed(), "", "a")
}

// agree checks a session token of a user who is in these tenants, and has selected one.
func (w *World) agree(got *sdk.Token, selected string, in ...string) {
	w.T.Helper()
	auth := w.Client.Auth
	claims, err := w.Service.ValidateSession(ctx, usher.Secret(got.JWT))
	must(w.T, err)
	if dct, _ := got.CustomClaim(sdk.ClaimDescopeCurrentTenant).(string); dct != selected || claims.Tenant != selected {
		w.T.Errorf("the current tenant is %q and %q, want %q", dct, claims.Tenant, selected)
	}
	for _, roles := range [][]string{nil, {"owner"}, {"editor", "owner"}, {"owner", "admin"}, {"staff"}, {"auditor", "staff"}} {
		var top []string
		for _, role := range roles {
			if claims.HasRole(role) {
				top = append(top, role)
			}
		}
		if auth.ValidateRoles(ctx, got, roles) != (len(top) == len(roles)) || !slices.Equal(auth.GetMatchedRoles(ctx, got, roles), append([]string{}, top...)) {
			w.T.Errorf("outside of tenants: the SDK and the claims differ about %v", roles)
		}
		for _, tenant := range []string{"a", "b", "c"} {
			matched := []string{}
			for _, role := range roles {
				if claims.HasTenantRole(tenant, role) {
					matched = append(matched, role)
				}
			}
			want := claims.InTenant(tenant) && len(matched) == len(roles)
			if claims.InTenant(tenant) != slices.Contains(in, tenant) || auth.ValidateTenantRoles(ctx, got, tenant, roles) != want ||
				!slices.Equal(auth.GetMatchedTenantRoles(ctx, got, tenant, roles), matched) {
				w.T.Errorf("%s: the SDK and the claims differ about %v: %v", tenant, roles, matched)
			}
		}
	}
	if auth.ValidateTenantPermissions(ctx, got, "b", []string{"sell"}) != claims.HasTenantPermission("b", "sell") {
		w.T.Error("the SDK and the claims differ about a permission")
	}
}
