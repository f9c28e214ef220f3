package pages_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	. "github.com/usherkit/usher/internal/webtest"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/texts"
)

func TestCS03_AFormNeedsAnOriginHeader(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUp(Ann)
	body := Form("loginId", Ann, "password", GoodPassword)
	for _, test := range []struct {
		name   string
		header []string
		want   int
	}{
		{"neither header", []string{"Sec-Fetch-Site", ""}, 403},
		{"neither header, but X-Requested-With", []string{"Sec-Fetch-Site", "", "X-Requested-With", "x"}, 403},
		{"cross-site", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"same-site", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"foreign origin", []string{"Sec-Fetch-Site", "", "Origin", "https://evil.test"}, 403},
		{"null origin", []string{"Sec-Fetch-Site", "", "Origin", "null"}, 403},
		{"plain origin", []string{"Sec-Fetch-Site", "", "Origin", "http://app.example"}, 403},
		{"own origin", []string{"Sec-Fetch-Site", "", "Origin", "https://app.example"}, 303},
		{"same-origin", nil, 303},
	} {
		v := k.Browser(t).Do(http.MethodPost, "/auth/signin", body, test.header...)
		if v.Status != test.want {
			t.Errorf("%s: %d, want %d", test.name, v.Status, test.want)
		}
		if test.want == 403 && !strings.Contains(v.Body, "sent from this site") {
			t.Errorf("%s: no page: %s", test.name, v.Body)
		}
	}
	_ = b
}

func TestCS04_FormsOnlyWithPages(t *testing.T) {
	without := NewKit(t, InCookies, Setup{})
	without.Do(Post("/signin", Form("loginId", Ann, "password", GoodPassword),
		"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")).Want(t, 415, "unsupported_media_type")
	_, b := NewPages(t, pages.Config{}, Setup{})
	for _, contentType := range []string{"multipart/form-data; boundary=x", "text/plain", "application/json+x"} {
		v := b.Do(http.MethodPost, "/auth/signin", "x", "Content-Type", contentType)
		if v.Status != 415 {
			t.Errorf("%s: %d", contentType, v.Status)
		}
	}
	for _, path := range []string{"/auth/account/name", "/auth/account/email/cancel", "/auth/account/sessions/x"} {
		if v := b.Do(http.MethodPost, path, "{}", "Content-Type", "application/json"); v.Status != 415 {
			t.Errorf("JSON at %s: %d", path, v.Status)
		}
	}
}

// With pages, the JSON routes work as without.
func TestJSONIsServedBesideThePages(t *testing.T) {
	k, _ := NewPages(t, pages.Config{}, Setup{})
	u := k.SignUp(Ann)
	k.Do(k.As(u, Get("/me"))).Want(t, 200, "")
	k.Do(Post("/signin", SignUpBody(Ann, OtherPassword))).Want(t, 401, "invalid_credentials")
	k.Do(Get("/me")).Want(t, 401, "not_signed_in")
	if a := k.Do(Request{Method: http.MethodPut, Path: "/password/update"}); a.Status != 405 || a.Header.Get("Allow") != "POST" {
		t.Errorf("PUT: %d, Allow %q", a.Status, a.Header.Get("Allow"))
	}
}

func TestErrorsStandBesideTheirInput(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUp(Ann)
	b.Send("/signin").WantPage(t, 400, "Enter your email address.", "Enter your password.", "<title>Error: ",
		`aria-describedby="loginId-error" aria-invalid="true" autofocus`)
	b.Send("/signin", "loginId", Ann, "password", OtherPassword).WantPage(t, 401,
		`role="alert"`, "The email address or password is wrong.", `value="`+Ann+`"`, `aria-describedby="alert" autofocus`)
	v := b.Send("/signup", "loginId", Bob, "password", WeakPassword, "name", "Bob").WantPage(t, 400,
		"This password is easy to guess.", `value="`+Bob+`"`, `value="Bob"`, `aria-describedby="password-hint password-rules password-error"`)
	if strings.Contains(v.Body, WeakPassword) {
		t.Error("the password comes back")
	}
	b.Send("/signup", "loginId", Ann, "password", OtherPassword).WantPage(t, 409, "There’s already an account with this address.", `id="loginId-error"`)
	b.Send("/signup", "loginId", "a@b@c", "password", OtherPassword).WantPage(t, 400, "Enter an email address like")
	b.Send("/signup", "loginId", Bob, "password", OtherPassword, "name", strings.Repeat("x", 300)).WantPage(t, 400, "This name is too long.", `id="name-error"`)
	v = b.Do(http.MethodPost, "/auth/signin", "loginId=a&loginId=b&password=x").WantPage(t, 400, "incomplete or not valid")
	if strings.Contains(MainElement(v.Body), "<form") {
		t.Error("a form that is no form of ours is shown again")
	}
	b.Do(http.MethodPost, "/auth/signin", "loginId=%ff&password=x").WantPage(t, 400)
	b.Do(http.MethodPost, "/auth/signin", "loginId="+strings.Repeat("a", 20<<10)).WantPage(t, 413)
	b.Open("/auth/password/reset").WantPage(t, 405)
}

func TestSI01_ThePageSaysHowLongToWait(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUp(Ann)
	for range 5 {
		b.Send("/signin", "loginId", Ann, "password", OtherPassword).WantPage(t, 401)
	}
	v := b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantPage(t, 429, "Too many attempts. Wait 30 seconds, then try again.", `value="`+Ann+`"`)
	if v.Header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After is %q", v.Header.Get("Retry-After"))
	}
	b.Lang = "de"
	b.Send("/signin", "loginId", Ann, "password", GoodPassword).WantPage(t, 429, "Zu viele Versuche. Warten Sie 30 Sekunden")
}

func TestEN01_FailedSignInsLookAlike(t *testing.T) {
	k, _ := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.InsecureNoThrottle, c.BaseURL = true, "https://localhost" }})
	k.SignUp(Ann)
	page := func(loginID string) string {
		v := k.Browser(t).Send("/signin", "loginId", loginID, "password", OtherPassword).WantPage(t, 401)
		return strings.ReplaceAll(v.Body, loginID, "X")
	}
	if page(Ann) != page(Bob) {
		t.Error("the page reveals who has an account")
	}
}

func TestAnExpiredPasswordIsReplaced(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	k.SignUp(Ann)
	if err := k.Service.Operator("test").ExpirePassword(t.Context(), k.UserID(Ann)); err != nil {
		t.Fatal(err)
	}
	b.Send("/signin", "loginId", Ann, "password", GoodPassword, "return_to", "/in").WantPage(t, 403,
		"Your password has expired.", `action="/auth/password/replace"`, `value="`+Ann+`"`, `value="/in"`)
	b.Send("/password/replace", "loginId", Ann, "oldPassword", OtherPassword, "newPassword", ThirdPassword).WantPage(t, 401, "This is not your current password.")
	b.Send("/password/replace", "loginId", Ann, "oldPassword", GoodPassword, "newPassword", GoodPassword).WantPage(t, 400, "You’ve used this password before.")
	b.Send("/password/replace", "loginId", Ann, "oldPassword", GoodPassword, "newPassword", OtherPassword, "return_to", "/in").WantRedirect(t, "/in")
	b.Open("/auth/account").WantPage(t, 200)
}

func TestSU08_ClosedSignUpSaysSo(t *testing.T) {
	_, b := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.SignUpClosed = true }})
	for _, v := range []View{
		b.Open("/auth/signup").WantPage(t, 200), b.Send("/signup", "loginId", Ann, "password", GoodPassword).WantPage(t, 403),
	} {
		if !strings.Contains(v.Body, "<h1>Sign-up is closed</h1>") || strings.Count(v.Body, "No new accounts can be created here.") != 1 ||
			strings.Contains(MainElement(v.Body), "<form") || strings.Contains(v.Body, `role="alert"`) {
			t.Errorf("the page: %s", MainElement(v.Body))
		}
	}
	if strings.Contains(b.Open("/auth/signin").Body, "/signup") {
		t.Error("the sign-in page leads to it")
	}
}

func FuzzParseForm(f *testing.F) {
	for _, s := range []string{"", "a=b", "a=b&a=c", "%", "a=%ff", "a;b=c", "loginId=ann%40example.com&password=%F0%9F%A6%A6"} {
		f.Add(s)
	}
	k := NewKit(f, InCookies, Setup{Config: func(c *handlers.Config) { c.Pages = &pages.Config{} }})
	b := &Browser{K: k}
	f.Fuzz(func(t *testing.T, body string) {
		b.T = t
		b.Cookies = map[string]*http.Cookie{}
		if v := b.Do(http.MethodPost, "/auth/account/name", body); v.Status >= 500 {
			t.Errorf("%q: %d", body, v.Status)
		}
		if v := b.Do(http.MethodPost, "/auth/email/verify", body); v.Status >= 500 {
			t.Errorf("%q: %d", body, v.Status)
		}
	})
}

// A form with several wrong inputs shows all errors at once.
func TestFormsSayEverythingThatIsWrong(t *testing.T) {
	_, b := NewPages(t, pages.Config{}, Setup{})
	b.Open("/auth/signup").WantPage(t, 200)
	v := b.Send("/signup", "loginId", "no address@", "password", "short").WantPage(t, 400)
	for _, name := range []string{"loginId", "password"} {
		if !strings.Contains(v.Body, `id="`+name+`-error"`) {
			t.Errorf("nothing beside %s:\n%s", name, MainElement(v.Body))
		}
	}
}

func TestEV05_TheCurrentAddressHasATextOfItsOwn(t *testing.T) {
	k, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	k.ClearRecords()
	for lang, want := range map[string]string{
		"en": "This is already the address of your account.",
		"de": "Das ist bereits die Adresse Ihres Kontos.",
		"fr": "C’est déjà l’adresse de votre compte.",
		"es": "Este ya es el correo de su cuenta.",
		"he": "זו כבר כתובת החשבון שלך.",
	} {
		b.Lang = lang
		b.Send("/email/change", "newEmail", Ann, "currentPassword", GoodPassword).WantPage(t, 400, want, `id="newEmail-error"`)
	}
	if got := k.EmailKinds(); got != "" {
		t.Errorf("emails are %q", got)
	}
}

// An error of the Service is shown beside its input, with a text for that input.
func TestInputsSayWhatIsWrongWithThem(t *testing.T) {
	_, b := NewPages(t, pages.Config{}, Setup{})
	b.SignUp(Ann)
	long := strings.Repeat("a", 65) + "@example.com"
	for _, test := range []struct {
		path, input string
		fields      []string
		want        string
	}{
		{"/email/change", "newEmail", []string{"newEmail", long, "currentPassword", GoodPassword}, "This email address is too long."},
		{"/email/change", "newEmail", []string{"newEmail", "ann", "currentPassword", GoodPassword}, "Enter an email address like"},
		{"/email/change", "currentPassword", []string{"newEmail", Bob, "currentPassword", strings.Repeat("a", 300)}, "Use at most 256 characters."},
		{"/account/name", "name", []string{"name", "Ann\aLindqvist"}, "This name contains characters that can’t be used."},
		{"/account/name", "name", []string{"name", strings.Repeat("a", 300)}, "This name is too long."},
		{"/signup", "loginId", []string{"loginId", long, "password", GoodPassword}, "This email address is too long."},
		{"/password/reset", "loginId", []string{"loginId", long}, "This email address is too long."},
	} {
		v := b.Send(test.path, test.fields...).WantPage(t, 400)
		_, beside, _ := strings.Cut(v.Body, `id="`+test.input+`-error"`)
		if beside, _, _ = strings.Cut(beside, "</div>"); !strings.Contains(beside, test.want) {
			t.Errorf("%s %v: beside %s stands %q", test.path, test.fields, test.input, beside)
		}
	}
}

// With ConfirmFirst a login id that is no address is the wrong input, not the name
// before it.
func TestEN05_ALoginIDThatIsNoAddressIsTheWrongInput(t *testing.T) {
	_, b := NewPages(t, pages.Config{}, Setup{Service: func(c *usher.Config) { c.ConfirmFirst = true }})
	v := b.Send("/signup", "name", "Ann", "loginId", "ann", "password", GoodPassword).WantPage(t, 400, "Enter your email address.", `id="loginId-error"`)
	if strings.Contains(v.Body, `id="name-error"`) {
		t.Error("the name is blamed")
	}
}

// A refusal by the program's own code is beside its input or above the form, in the
// program's words.
func TestFB07_APageShowsTheProgramsRefusal(t *testing.T) {
	store := NewFaults()
	own := texts.Catalogue{Texts: map[string]map[string]string{"de": {"own.rejected.not_invited": "Nur mit Einladung."}, "en": {"own.rejected.not_invited": "Only with an invitation."}}}
	_, b := NewPages(t, pages.Config{}, Setup{Store: store, Config: func(c *handlers.Config) { c.Texts = own }})
	b.SignUp(Ann)
	for _, c := range []struct {
		rejection usher.Rejection
		language  string
		want      []string
	}{
		{usher.Rejection{Code: "x", Field: "loginId", Message: "Ask <a> colleague."}, "en", []string{`id="loginId-error"`, "Ask &lt;a&gt; colleague."}},
		{usher.Rejection{Code: "x", Field: "email", Message: "Ask."}, "en", []string{`id="loginId-error"`, "Ask."}},
		{usher.Rejection{Code: "x", Message: "Ask."}, "en", []string{`id="alert"`, "Ask."}},
		{usher.Rejection{Code: "x", Field: "color", Message: "Ask."}, "en", []string{`id="alert"`, "Ask."}},
		{usher.Rejection{Code: "x"}, "de", []string{`id="alert"`, "Das wird hier nicht angenommen."}},
		{usher.Rejection{Code: "not_invited", Field: "loginId", Message: "Ask."}, "de", []string{`id="loginId-error"`, "Nur mit Einladung."}},
	} {
		store.Fail(&c.rejection)
		v := b.Do(http.MethodPost, "/auth/signup", Form("loginId", Bob, "password", GoodPassword), "Accept-Language", c.language)
		v.WantPage(t, 422, c.want...)
	}
	store.Fail(&usher.Rejection{Code: "x", Field: "name", Message: "Another name, please."})
	b.Send("/account/name", "name", "Eve").WantPage(t, 422, "Another name, please.")
}
