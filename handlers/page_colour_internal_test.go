package handlers

import "testing"

// Whatever the accent, text on it and in it can be read (WCAG 2.2, 1.4.3), and a
// button ends where it can be seen (1.4.11), in light and in dark.
func TestEveryAccentCanBeRead(t *testing.T) {
	for _, accent := range []string{
		defaultAccent, "#000000", "#ffffff", "#ff0000", "#00ff00", "#0000ff", "#ffff00", "#e8b931", "#808080", "#777777", "#ABCDEF",
		"#111827", "#191b1e", "#f9fafb", "#00001f",
	} {
		p, err := newPalette(accent)
		if err != nil {
			t.Fatal(err)
		}
		for scheme, s := range map[string]struct {
			shades
			grounds [2]string
		}{"light": {p.shades, [2]string{"#ffffff", "#f5f5f3"}}, "dark": {p.Dark, [2]string{"#191b1e", "#111214"}}} {
			on := map[string]string{"#fff": "#ffffff", "#000": "#000000"}[s.OnAccent]
			type pair struct {
				what, a, b string
				least      float64
			}
			pairs := []pair{{"text on a button", on, s.Accent, 4.5}, {"text on a button under the mouse", on, s.AccentHover, 4.5}}
			for _, ground := range s.grounds {
				pairs = append(pairs, pair{"a link", s.Link, ground, 4.5}, pair{"the edge of a button", s.AccentEdge, ground, 3})
				if scheme == "dark" {
					pairs = append(pairs, pair{"a button", s.Accent, ground, 3})
				}
			}
			for _, p := range pairs {
				if c := contrast(hex(p.a), hex(p.b)); c < p.least {
					t.Errorf("%s, %s: %s (%s on %s) has a contrast of %.2f", accent, scheme, p.what, p.a, p.b, c)
				}
			}
		}
	}
	for _, bad := range []string{"", "#", "red", "#12345", "#1234567", "3d4ed8x", "#gggggg"} {
		if _, err := newPalette(bad); err == nil {
			t.Errorf("%q is a colour", bad)
		}
	}
}

// What can be seen as it is stays as it is.
func TestAnAccentThatServesIsKept(t *testing.T) {
	for accent, want := range map[string][2]string{
		"#3d4ed8": {"#3d4ed8", ""}, "#e8b931": {"#e8b931", "#e8b931"}, "#0f6e66": {"#0f6e66", ""}, "#111827": {"#111827", ""},
	} {
		p, err := newPalette(accent)
		if err != nil {
			t.Fatal(err)
		}
		if p.Accent != want[0] || want[1] != "" && p.Dark.Accent != want[1] {
			t.Errorf("%s is %s in light and %s in dark", accent, p.Accent, p.Dark.Accent)
		}
	}
}

func TestInitial(t *testing.T) {
	for name, want := range map[string]string{"acme": "A", "  «élan»": "É", "": "·", "\xff": "·", "7 Seas": "7"} {
		if got := initial(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
}
