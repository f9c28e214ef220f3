package descope

import (
	"testing"

	"github.com/usherkit/usher/internal/pgtest"
	"github.com/usherkit/usher/proof/descope/calls"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// The functions of the guide for passwords work with the SDK, unmodified.
func TestDE25_PasswordsWithTheSDK(t *testing.T) { calls.Modes(t, calls.Passwords) }

// The functions that check, refresh and end sessions work with the SDK, unmodified.
func TestDE26_SessionsWithTheSDK(t *testing.T) { calls.Modes(t, calls.Sessions) }

// The SDK reads a limit, and what it repeats after a 503 happens once.
func TestDE27_LimitsAndRepetitionsWithTheSDK(t *testing.T) { calls.Limits(t, true) }

// The SDK and the claims of this module agree about roles in tenants.
func TestDE29_TenantsWithTheSDK(t *testing.T) { calls.Modes(t, calls.Tenants) }
