package storetest

import (
	"context"
	"slices"
	"testing"

	"github.com/usherkit/usher/store"
)

// Run runs the whole suite. It calls open once for each case. open returns an empty store
// and registers its cleanup with t.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, group := range []struct {
		name  string
		cases []testCase
	}{
		{"CreateUser", createCases},
		{"Account", accountCases},
		{"Users", usersCases},
		{"UpdateUser", updateCases},
		{"DeleteUser", deleteCases},
		{"ChangePassword", passwordCases},
		{"ClaimUser", claimCases},
		{"StartSession", slices.Concat(startCases, signInTokenCases)},
		{"Session", sessionCases},
		{"SwapRefresh", refreshCases},
		{"EndSession", endCases},
		{"EndedEvents", endedEventCases},
		{"AddOneTimeToken", addTokenCases},
		{"OneTimeToken", tokenCases},
		{"UserTokens", userTokenCases},
		{"Codes", codeCases},
		{"ResetPassword", resetCases},
		{"StartResetSession", resetSessionCases},
		{"VerifyEmail", verifyCases},
		{"ChangeEmail", changeEmailCases},
		{"Invitations", invitationCases},
		{"TakeLimits", limitCases},
		{"SigningKeys", keyCases},
		{"PasswordSettings", settingsCases},
		{"Outbox", outboxCases},
		{"Events", eventCases},
		{"DeleteExpired", expireCases},
		{"Text", textCases},
		{"Memory", sharingCases},
		{"Lifecycle", lifecycleCases},
		{"AtOnce", slices.Concat(raceCases, raceCountCases, loginIDRaceCases, signInTokenRaceCases)},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					c.run(&env{T: t, Store: open(t), ctx: context.Background()})
				})
			}
		})
	}
}

type testCase struct {
	name string
	run  func(e *env)
}
