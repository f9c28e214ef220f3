package pages_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/usherkit/usher/pages"

	. "github.com/usherkit/usher/internal/webtest"
)

// A user whom an operator deletes while a request runs is signed out, before whichever
// call of the store the deletion comes.
func TestAC01_ADeletionDuringARequestIsASignOut(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/account", "/account/delete", "/me"} {
		for n := 1; n <= 8; n++ { // more calls than any of these requests makes
			faults := NewFaults()
			k, b := NewPages(t, pages.Config{}, Setup{Store: faults})
			b.SignUp(Ann)
			k.Inbox()
			id := k.UserID(Ann)
			faults.Arm(n, func(ctx Ctx) error {
				faults.Arm(0, nil)
				return k.Service.Operator("test").Delete(context.WithoutCancel(ctx), id)
			})
			v := b.Open("/auth" + path)
			if v.Status != http.StatusOK && v.Status != http.StatusSeeOther && v.Status != http.StatusUnauthorized {
				t.Errorf("%s, deleted before call %d of the store: %d %s", path, n, v.Status, v.Body)
			}
		}
	}
}
