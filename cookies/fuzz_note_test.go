package cookies_test

import (
	"net/http/httptest"
	"testing"
)

// Whatever a Cookie header holds, a note, a device or a message comes out only
// of what the jar sealed.
func FuzzFB04_State(f *testing.F) {
	jar := newJar(f, nil)
	w := httptest.NewRecorder()
	if err := jar.SetNote(w, request(), "typed", "a text"); err != nil {
		f.Fatal(err)
	}
	var good string
	for _, c := range w.Result().Cookies() {
		good = c.Name + "=" + c.Value
		f.Add(good)
		f.Add(c.Name + "=" + c.Value[:len(c.Value)/2])
		f.Add(c.Name + "=x; " + good)
		f.Add("__Host-session=" + c.Value) // sealed for another use
	}
	f.Add("")
	f.Add("__Host-device=x; __Host-flash=\"\"")
	f.Fuzz(func(t *testing.T, header string) {
		r := request()
		r.Header["Cookie"] = []string{header}
		w := httptest.NewRecorder()
		if note := jar.Note(r, "typed"); note != "" && note != "a text" {
			t.Fatalf("%q gives another note", header)
		}
		if jar.Note(r, "another") != "" || jar.Device(r) != "" || jar.Flash(w, r) != "" || jar.ReturnTo(w, r) != "" {
			t.Fatalf("%q gives a text that nobody kept", header)
		}
		if pair, _ := jar.Tokens(r); pair.Session != "" || pair.Refresh != "" {
			t.Fatalf("%q gives tokens", header)
		}
	})
}
