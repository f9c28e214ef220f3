package usher_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

// inTenants makes the user a member of the tenants, and of no other.
func (k *kit) inTenants(userID string, tenants map[string]token.Tenant) {
	k.t.Helper()
	usher.Must(k.Operator("test").UpdateUser(ctx, userID, usher.UpdateUserParams{Tenants: &tenants}))
	k.events.reset()
}

var twoTenants = map[string]token.Tenant{"acme": {Roles: []string{"owner"}}, "globex": {}}

// tenantOf returns the current tenant in the session token.
func (k *kit) tenantOf(a *usher.Authentication) string { return k.claims(a).Tenant }

func TestTN01_TheSelectedTenantIsInTheTokensOfTheSession(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]bool{"with rotation": false, "without rotation": true} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, func(c *usher.Config) { c.Sessions.KeepRefreshToken = keep })
			a := k.signUpVerified(ann)
			k.inTenants(a.User.ID, twoTenants)
			if got := k.tenantOf(a); got != "" {
				t.Fatalf("before the selection the tenant is %q", got)
			}
			other := k.signIn(ann, goodPassword, home)
			k.events.reset()
			a = usher.Must(k.SelectTenant(ctx, a.Tokens.Refresh, "globex", home))
			k.wantEvents("session_renewed session_tenant_selected:globex")
			if k.tenantOf(a) != "globex" || a.Session.Tenant != "globex" {
				t.Fatalf("the claim is %q, the session's tenant %q", k.tenantOf(a), a.Session.Tenant)
			}
			for range 3 {
				k.clock.add(time.Minute)
				if a = usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home)); k.tenantOf(a) != "globex" {
					t.Fatalf("after a refresh the tenant is %q", k.tenantOf(a))
				}
			}
			again := usher.Must(k.Reauthenticate(ctx, k.claims(a), usher.ReauthenticateParams{Password: goodPassword, RefreshToken: a.Tokens.Refresh}, home))
			reissued := usher.Must(k.ReissueSessionToken(ctx, k.claims(a), a.User))
			unexchanged := usher.Must(k.SessionToken(ctx, a.Tokens.Refresh, home.Address, ""))
			for what, raw := range map[string]usher.Secret{"confirmed": again.Authentication.Tokens.Session, "reissued": reissued, "unexchanged": unexchanged} {
				if claims := usher.Must(k.ValidateSession(ctx, raw)); claims.Tenant != "globex" {
					t.Errorf("%s: the tenant is %q", what, claims.Tenant)
				}
			}
			if b := usher.Must(k.RefreshSession(ctx, other.Tokens.Refresh, home)); k.tenantOf(b) != "" {
				t.Errorf("another session has the tenant %q", k.tenantOf(b))
			}
			a = usher.Must(k.UpdatePassword(ctx, k.claims(a), usher.UpdatePasswordParams{CurrentPassword: goodPassword, NewPassword: otherPassword}, home))
			if k.tenantOf(a) != "globex" {
				t.Errorf("after a change of the password the tenant is %q", k.tenantOf(a))
			}
			a = usher.Must(k.SelectTenant(ctx, a.Tokens.Refresh, "acme", home))
			if k.tenantOf(a) != "acme" {
				t.Errorf("after another selection the tenant is %q", k.tenantOf(a))
			}
			if a = usher.Must(k.SelectTenant(ctx, a.Tokens.Refresh, "", home)); k.tenantOf(a) != "" {
				t.Errorf("without a selection the tenant is %q", k.tenantOf(a))
			}
		})
	}
}

func TestTN02_OnlyTenantsOfTheUserCanBeSelected(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	k.inTenants(a.User.ID, twoTenants)
	for _, id := range []string{"other", "ACME", "acme ", "acme\x00", "\xff", strings.Repeat("x", 1<<16)} {
		_, err := k.SelectTenant(ctx, a.Tokens.Refresh, id, home)
		wantErr(t, err, usher.ErrNotInTenant)
		wantErr(t, err, usher.ErrForbidden)
	}
	k.wantEvents("authz_fail:not_in_tenant authz_fail:not_in_tenant authz_fail:not_in_tenant authz_fail:not_in_tenant")
	_, err := k.SelectTenant(ctx, a.Tokens.Session, "acme", home)
	wantErr(t, err, usher.ErrInvalidSession)
	b := usher.Must(k.SelectTenant(ctx, a.Tokens.Refresh, "acme", home))

	// The use of an invalid token ends the session, whatever the tenant is.
	b = usher.Must(k.RefreshSession(ctx, b.Tokens.Refresh, home))
	k.clock.add(time.Minute)
	_, err = k.SelectTenant(ctx, a.Tokens.Refresh, "other", home)
	wantErr(t, err, usher.ErrInvalidSession)
	if k.isLive(b) {
		t.Error("the session goes on after the use of an invalid token")
	}
}

func TestTN03_ARemovedUserHasNoCurrentTenant(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	other := k.secondInstance()
	a := k.signUpVerified(ann)
	k.inTenants(a.User.ID, twoTenants)
	a = usher.Must(k.SelectTenant(ctx, a.Tokens.Refresh, "acme", home))
	k.inTenants(a.User.ID, map[string]token.Tenant{"globex": {}})
	current := usher.Must(other.CurrentClaims(ctx, k.claims(a)))
	if current.Tenant != "" || current.InTenant("acme") || !current.InTenant("globex") {
		t.Errorf("the current claims are %+v", current)
	}
	b := usher.Must(other.RefreshSession(ctx, a.Tokens.Refresh, home))
	if claims := k.claims(b); claims.Tenant != "" || claims.InTenant("acme") || !claims.InTenant("globex") {
		t.Errorf("after a refresh the claims are %+v", claims)
	}
	reissued := usher.Must(k.ValidateSession(ctx, usher.Must(k.ReissueSessionToken(ctx, k.claims(a), b.User))))
	if reissued.Tenant != "" {
		t.Errorf("a new session token has the tenant %q", reissued.Tenant)
	}
	_, err := k.SelectTenant(ctx, b.Tokens.Refresh, "acme", home)
	wantErr(t, err, usher.ErrNotInTenant)
}

// A selection is an exchange of the refresh token: lost answers, late tabs and many requests
// at once sign nobody out, and a stolen token ends the session.
func TestTN04_ASelectionObeysTheRulesOfARefresh(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	kits := []*kit{k, k.secondInstance()}
	a := k.signUpVerified(ann)
	k.inTenants(a.User.ID, twoTenants)
	first := a.Tokens.Refresh
	for _, pause := range []time.Duration{0, 5 * time.Second, time.Minute, time.Hour} { // the answers are lost
		k.clock.add(pause)
		a = usher.Must(k.SelectTenant(ctx, first, "acme", home))
	}
	got := make([]usher.Secret, 64)
	concurrently(len(got), func(i int) {
		id := []string{"acme", "globex"}[i/2%2]
		b, err := kits[i%2].SelectTenant(ctx, a.Tokens.Refresh, id, nth(i))
		if err != nil || k.tenantOf(b) != id {
			t.Errorf("selection %d: %v", i, err)
			return
		}
		got[i] = b.Tokens.Refresh
	})
	for i := range got {
		if got[i] != got[0] || got[i] == a.Tokens.Refresh {
			t.Fatal("the session was forked")
		}
	}
	// A tab that has only an exchanged token selects, too.
	b := usher.Must(k.SelectTenant(ctx, a.Tokens.Refresh, "", home))
	if b.Tokens.Refresh != got[0] || k.tenantOf(b) != "" {
		t.Fatal("a late tab got another token or tenant")
	}
	b = usher.Must(k.RefreshSession(ctx, got[0], home))
	if !k.isLive(b) || k.tenantOf(b) != "" {
		t.Fatal("the one live token does not serve")
	}
	k.clock.add(time.Minute)
	_, err := k.SelectTenant(ctx, first, "acme", home)
	wantErr(t, err, usher.ErrInvalidSession)
	if k.isLive(b) {
		t.Error("a stolen token did not end the session")
	}
}

// The program's refusal leaves the tenant and the token as they are.
func TestTN04_ARefusedSelectionChangesNothing(t *testing.T) {
	t.Parallel()
	refuse := false
	k := newKit(t, func(c *usher.Config) {
		c.Claims = func(context.Context, usher.User) (map[string]any, error) {
			if refuse {
				return nil, &usher.Rejection{Code: "closed", Message: "Closed."}
			}
			return nil, nil
		}
	})
	a := k.signUpVerified(ann)
	k.inTenants(a.User.ID, twoTenants)
	refuse = true
	var rejection *usher.Rejection
	if _, err := k.SelectTenant(ctx, a.Tokens.Refresh, "acme", home); !errors.As(err, &rejection) {
		t.Fatalf("got %v", err)
	}
	refuse = false
	if b := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home)); k.tenantOf(b) != "" {
		t.Errorf("the tenant is %q", k.tenantOf(b))
	}
}
