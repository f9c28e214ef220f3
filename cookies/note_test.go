package cookies_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/token"
)

func TestNoteIsKeptSealedAndForTenMinutes(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	jar, err := cookies.New(cookies.Config{
		Secret: token.Secret(strings.Repeat("k", 32)),
		Now:    func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := jar.SetNote(w, httptest.NewRequest("GET", "/", nil), "reset", "the-token"); err != nil {
		t.Fatal(err)
	}
	set := w.Result().Cookies()
	if len(set) != 1 || set[0].Name != "__Host-note_reset" || !set[0].HttpOnly || !set[0].Secure ||
		set[0].SameSite != http.SameSiteLaxMode || set[0].MaxAge != 600 {
		t.Fatalf("cookie %+v", set)
	}
	if strings.Contains(set[0].Value, "the-token") {
		t.Error("the note can be read in the cookie")
	}
	back := httptest.NewRequest("GET", "/", nil)
	back.AddCookie(set[0])
	if got := jar.Note(back, "reset").Reveal(); got != "the-token" {
		t.Errorf("note is %q", got)
	}
	if got := jar.Note(back, "verify").Reveal(); got != "" {
		t.Errorf("another note is %q", got)
	}
	w = httptest.NewRecorder()
	jar.DropNote(w, back, "reset")
	if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("dropped by %+v", c)
	}
	now = now.Add(10*time.Minute + time.Second)
	if got := jar.Note(back, "reset").Reveal(); got != "" {
		t.Errorf("after ten minutes the note is %q", got)
	}
	if jar.SetNote(w, back, "Not a name", "x") == nil {
		t.Error("a bad name is no error")
	}
}
