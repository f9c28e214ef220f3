package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	. "github.com/usherkit/usher/internal/webtest"
)

func TestAC06_ADownloadIsWantedAndLeavesAnEvent(t *testing.T) {
	t.Parallel()
	BothModes(t, func(t *testing.T, m Mode) {
		k := NewKit(t, m, Setup{})
		u := k.SignUpVerified(Ann)
		get := k.As(u, Get("/account/data"))
		if m == InCookies {
			for _, site := range []string{"cross-site", "same-site"} {
				k.Do(Get("/account/data", "Cookie", u.Cookie, "Sec-Fetch-Site", site)).Want(t, 403, "cross_origin")
			}
			k.Do(Get("/account/data", "Cookie", u.Cookie, "Sec-Fetch-Site", "none")).Want(t, 200, "")
			k.Do(Get("/account/data", "Cookie", u.Cookie)).Want(t, 200, "") // an old browser
			k.ClearRecords()
		}
		head := get
		head.Method = http.MethodHead
		for range 20 {
			if a := k.Do(head).Want(t, 200, ""); a.Header.Get("Content-Disposition") != `attachment; filename="account-data.json"` {
				t.Errorf("HEAD has the header %v", a.Header)
			}
		}
		if events := k.Events.Take(); events != "" {
			t.Errorf("HEAD and refused requests leave %s", events)
		}
		k.Do(get).Want(t, 200, "")
		all := usher.Must(k.Service.Operator("test").Events(t.Context(), usher.EventQuery{Name: usher.EventDataDownloaded})).Events
		if len(all) == 0 || all[0].UserID != k.UserID(Ann) || all[0].SessionID == "" || all[0].Address == "" {
			t.Errorf("the events are %+v", all)
		}
	})
}

func TestAT03_ADownloadHasTheDigitsOfNumbers(t *testing.T) {
	t.Parallel()
	k := NewKit(t, InCookies, Setup{})
	u := k.SignUpVerified(Ann)
	usher.Must(k.Service.Operator("test").PatchAttributes(t.Context(), k.UserID(Ann), map[string]any{"account": int64(9007199254740993)}, ""))
	if a := k.Do(k.As(u, Get("/account/data"))).Want(t, 200, ""); !strings.Contains(string(a.Body), `"account": 9007199254740993`) {
		t.Errorf("the download is %s", a.Body)
	}
}
