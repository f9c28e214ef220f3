package handlers_test

import (
	"strings"
	"testing"
)

// A change of the password makes strangers of the browsers that were known, but
// for the one in which it was made: that one gets a new device cookie.
func TestSI04_AChangeOfThePasswordKeepsTheBrowserKnown(t *testing.T) {
	t.Parallel()
	k := newKit(t, inCookies, setup{})
	u := k.signUp(ann)
	a := k.do(k.as(u, post("/password/update", object("newPassword", otherPassword)))).want(t, 200, "")
	if set := strings.Join(a.header["Set-Cookie"], "\n"); !strings.Contains(set, "__Host-device=") {
		t.Errorf("cookies set are %s", set)
	}
}
