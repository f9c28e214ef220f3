package webtest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/usherkit/usher/store"
)

// A new method of the store that Faults does not know would never fail in a test.
func TestFB01_FaultsReachEveryMethodOfTheStore(t *testing.T) {
	t.Parallel()
	background := []string{
		"ClaimEmails", "ClearLimits", "Close", "DeleteExpired", "Events", "FinishEmail", "PasswordSettings", "Ping", "ReleaseEmail",
		"ReleaseLimits", "RetryEmail", "Revocations", "SaveSigningKeys", "SigningKeys",
	}
	fault := errors.New("fault")
	methods := reflect.TypeFor[store.Store]()
	for i := range methods.NumMethod() {
		m := methods.Method(i)
		if slices.Contains(background, m.Name) {
			continue
		}
		f := NewFaults()
		f.Fail(fault)
		args := []reflect.Value{reflect.ValueOf(context.Background())}
		for n := 1; n < m.Type.NumIn(); n++ {
			args = append(args, reflect.Zero(m.Type.In(n)))
		}
		out := reflect.ValueOf(f).MethodByName(m.Name).Call(args)
		if err, _ := out[len(out)-1].Interface().(error); !errors.Is(err, fault) {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
}
