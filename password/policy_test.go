package password_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/usherkit/usher/password"
)

func TestPO01_OutOfTheBox(t *testing.T) {
	got, err := password.Policy{}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	want := password.Policy{MinLength: 15, MaxLength: 256, LockAttempts: 100}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(password.Policy{}, "OnBreachError")); d != "" {
		t.Error(d)
	}
	if w := (password.Policy{}).Warnings(); len(w) != 0 {
		t.Errorf("warnings %q", w)
	}
	if err := (password.Policy{}).Check(t.Context(), "vast otter sings low", "otto@example.com"); err != nil {
		t.Error(err)
	}
}

func TestPW01_MinimumAndItsFloor(t *testing.T) {
	for _, tt := range []struct {
		policy password.Policy
		names  string // the field in the error; "" means allowed
	}{
		{password.Policy{}, ""},
		{password.Policy{MinLength: 8}, ""},
		{password.Policy{MinLength: 7}, "MinLength"},
		{password.Policy{MinLength: -1}, "MinLength"},
		{password.Policy{MaxLength: 64}, ""},
		{password.Policy{MaxLength: 63}, "MaxLength"},
		{password.Policy{MaxLength: 1024}, ""},
		{password.Policy{MaxLength: 1025}, "MaxLength"},
		{password.Policy{MinLength: 65, MaxLength: 64}, "MinLength"},
		{password.Policy{ReuseAmount: 10}, ""},
		{password.Policy{ReuseAmount: 11}, "ReuseAmount"},
		{password.Policy{ReuseAmount: 1000}, "ReuseAmount"},
		{password.Policy{ReuseAmount: -1}, "ReuseAmount"},
		{password.Policy{LockAttempts: 1}, ""},
		{password.Policy{LockAttempts: 101}, "LockAttempts"},
		{password.Policy{LockAttempts: -1}, "LockAttempts"},
		{password.Policy{MinLength: 64, MaxLength: 64}, ""},
		{password.Policy{LockAttempts: 100}, ""},
		{password.Policy{Expiration: -1}, "Expiration"},
		{password.NIST(), ""},
		{password.PCIDSS(), ""},
	} {
		_, err := tt.policy.WithDefaults()
		switch {
		case tt.names == "" && err != nil:
			t.Errorf("%+v: %v", tt.policy, err)
		case tt.names != "" && (!errors.Is(err, password.ErrInvalidPolicy) || !strings.Contains(err.Error(), tt.names+":")):
			t.Errorf("%+v: %v, want an error naming %s", tt.policy, err, tt.names)
		}
		if check := tt.policy.Check(t.Context(), "vast otter sings low"); tt.names != "" && !errors.Is(check, password.ErrInvalidPolicy) {
			t.Errorf("Check with an invalid policy: %v", check)
		}
	}
	if days := password.PCIDSS().Expiration.Hours() / 24; days != 90 {
		t.Errorf("passwords of PCI DSS expire after %v days", days)
	}
	err := password.Policy{}.Check(t.Context(), "vast otter sin")
	var e *password.PolicyError
	if !errors.As(err, &e) || len(e.Violations) != 1 || e.Violations[0].Code != password.CodeTooShort || e.Violations[0].Limit != 15 {
		t.Errorf("14 characters: %v", err)
	}
	if err := (password.Policy{}).Check(t.Context(), "vast otter sing"); err != nil {
		t.Errorf("15 characters: %v", err)
	}
}

func TestPO02_EachSwitchWorksAndWarns(t *testing.T) {
	for _, tt := range []struct {
		name     string
		policy   password.Policy
		bad      string
		good     string
		code     password.Code
		standard string
	}{
		{"lowercase", password.Policy{Lowercase: true}, "VAST OTTER SINGS LOW 7", "VAST OTTER SINGS LOw 7", password.CodeNoLowercase, "NIST"},
		{"uppercase", password.Policy{Uppercase: true}, "vast otter sings low", "vast otter sings loW", password.CodeNoUppercase, "NIST"},
		{"number", password.Policy{Number: true}, "vast otter sings low", "vast otter sings l0w", password.CodeNoNumber, "NIST"},
		{"nonAlphanumeric", password.Policy{NonAlphanumeric: true}, "vastottersingslow7", "vastotter singslow7", password.CodeNoNonAlphanumeric, "ASVS"},
		{"uppercase", password.Policy{Uppercase: true}, "быстрая выдра поёт", "Быстрая выдра поёт", password.CodeNoUppercase, "NIST"},
		{"nonAlphanumeric", password.Policy{NonAlphanumeric: true}, "नमस्तेनमस्कारशुभम", "नमस्ते नमस्कार शुभम", password.CodeNoNonAlphanumeric, "NIST"},
	} {
		if got := codes(t, tt.policy.Check(t.Context(), tt.bad)); !slices.Equal(got, []password.Code{tt.code}) {
			t.Errorf("%s: %v for %q", tt.name, got, tt.bad)
		}
		if err := tt.policy.Check(t.Context(), tt.good); err != nil {
			t.Errorf("%s: %v for %q", tt.name, err, tt.good)
		}
		w := tt.policy.Warnings()
		if len(w) != 1 || !strings.Contains(w[0], ": "+tt.name+": ") || !strings.Contains(w[0], tt.standard) {
			t.Errorf("%s: warnings %q", tt.name, w)
		}
	}
	for setting, policy := range map[string]password.Policy{
		"minLength 8":         {MinLength: 8},
		"expiration":          {Expiration: time.Hour},
		"InsecureAllowCommon": {InsecureAllowCommon: true},
	} {
		w := policy.Warnings()
		if len(w) != 1 || !strings.Contains(w[0], setting) || !strings.Contains(w[0], "NIST SP 800-63B-4") {
			t.Errorf("%s: warnings %q", setting, w)
		}
	}
	if w := password.PCIDSS().Warnings(); len(w) != 4 {
		t.Errorf("PCIDSS: warnings %q", w)
	}
	// No standard forbids the limits of reuse and failures.
	if w := (password.Policy{ReuseAmount: 10, LockAttempts: 5}).Warnings(); len(w) != 0 {
		t.Errorf("warnings %q", w)
	}
}
