package old

import (
	"testing"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/proof/descope/calls"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// The functions of the guide for passwords work with an old release of the SDK, unmodified.
func TestDE25_PasswordsWithTheOldSDK(t *testing.T) { calls.Modes(t, calls.Passwords) }

// The functions that check, refresh and end sessions work with an old release of the SDK, unmodified.
func TestDE26_SessionsWithTheOldSDK(t *testing.T) { calls.Modes(t, calls.Sessions) }

// An old release of the SDK reads a limit.
func TestDE27_LimitsWithTheOldSDK(t *testing.T) { calls.Limits(t, false) }

// The SDK and the claims of this module agree about roles in tenants.
func TestDE29_TenantsWithTheOldSDK(t *testing.T) { calls.Modes(t, calls.Tenants) }

// The management functions work with an old release of the SDK, unmodified.
func TestDM12_ManagementWithTheOldSDK(t *testing.T) { calls.Modes(t, calls.Manage) }

// The Go code of the guide compiles with the SDK.
func TestDE32_TheGuideCompilesWithTheOldSDK(t *testing.T) { calls.Guide(t) }

// The SDK verifies the tokens of each algorithm, and follows a new signing key.
func TestDE33_KeysWithTheOldSDK(t *testing.T) { calls.Keys(t) }

// The addresses that a trusted backend forwards have limits of their own.
func TestDE34_AddressesWithTheOldSDK(t *testing.T) { calls.Addresses(t) }

// A browser keeps the cookies that the SDK sets on the host of the application.
func TestDE35_CookieDomainsWithTheOldSDK(t *testing.T) { calls.CookieDomains(t) }
