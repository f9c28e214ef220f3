package color

import "testing"

// With every accent, text on buttons and links are readable (WCAG 2.2, 1.4.3) and
// the edge of a button is visible (1.4.11), in light and in dark mode.
func TestEveryAccentIsReadable(t *testing.T) {
	for _, accent := range []string{
		DefaultAccent, "#000000", "#ffffff", "#ff0000", "#00ff00", "#0000ff", "#ffff00", "#e8b931", "#808080", "#777777", "#ABCDEF",
		"#111827", "#191b1e", "#f9fafb", "#00001f",
	} {
		p, err := NewPalette(accent)
		if err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]struct {
			Shades
			grounds [2]string
		}{"light": {p.Light, [2]string{"#ffffff", "#f5f5f3"}}, "dark": {p.Dark, [2]string{"#191b1e", "#111214"}}} {
			on := map[string]string{"#fff": "#ffffff", "#000": "#000000"}[s.OnAccent]
			type pair struct {
				what, a, b string
				least      float64
			}
			pairs := []pair{{"text on a button", on, s.Accent, 4.5}, {"text on a button under the mouse pointer", on, s.AccentHover, 4.5}}
			for _, ground := range s.grounds {
				pairs = append(pairs, pair{"a link", s.Link, ground, 4.5}, pair{"the edge of a button", s.AccentEdge, ground, 3})
				if name == "dark" {
					pairs = append(pairs, pair{"a button", s.Accent, ground, 3})
				}
			}
			for _, p := range pairs {
				if c := Contrast(mustParse(p.a), mustParse(p.b)); c < p.least {
					t.Errorf("%s, %s: %s (%s on %s) has a contrast of %.2f", accent, name, p.what, p.a, p.b, c)
				}
			}
		}
	}
	for _, bad := range []string{"", "#", "red", "#12345", "#1234567", "3d4ed8x", "#gggggg"} {
		if _, err := NewPalette(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// An accent with enough contrast is not changed. An invisible gray does not become
// a medium gray, which would look like a disabled button.
func TestVisibleAccentIsKept(t *testing.T) {
	for accent, want := range map[string]struct{ light, dark string }{
		"#3d4ed8": {light: "#3d4ed8"}, "#0f6e66": {light: "#0f6e66"}, "#e8b931": {"#e8b931", "#e8b931"}, "#808080": {"#808080", "#808080"},
		"#111827": {light: "#111827"}, "#f9fafb": {dark: "#f9fafb"},
	} {
		p, err := NewPalette(accent)
		if err != nil {
			t.Fatal(err)
		}
		if want.light != "" && p.Light.Accent != want.light || want.dark != "" && p.Dark.Accent != want.dark {
			t.Errorf("%s is %s in light and %s in dark", accent, p.Light.Accent, p.Dark.Accent)
		}
	}
	for _, accent := range []string{"#111827", "#000000", "#222222"} {
		p, err := NewPalette(accent)
		if err != nil {
			t.Fatal(err)
		}
		if Contrast(mustParse(p.Dark.Accent), dark.card) < 11 || Contrast(mustParse(p.Dark.Link), dark.card) < 11 {
			t.Errorf("%s is %s in dark, and links are %s", accent, p.Dark.Accent, p.Dark.Link)
		}
	}
}
