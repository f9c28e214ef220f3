package handlers

import "testing"

// Whatever the accent, text on it and text in it can be read (WCAG 2.2, 1.4.3).
func TestEveryAccentCanBeRead(t *testing.T) {
	for _, accent := range []string{
		defaultAccent, "#000000", "#ffffff", "#ff0000", "#00ff00", "#0000ff", "#ffff00", "#e8b931", "#808080", "#777777", "#ABCDEF",
	} {
		p, err := newPalette(accent)
		if err != nil {
			t.Fatal(err)
		}
		on := white
		if p.OnAccent == "#000" {
			on = black
		}
		for name, pair := range map[string][2]string{"light": {p.LinkLight, "#f5f5f3"}, "dark": {p.LinkDark, "#191b1e"}} {
			a, _ := parseColour(pair[0])
			ground, _ := parseColour(pair[1])
			if c := contrast(a, ground); c < 4.5 {
				t.Errorf("%s: links on %s have a contrast of %.2f", accent, name, c)
			}
		}
		for name, ground := range map[string]string{"button": p.Accent, "button under the mouse": p.AccentHover} {
			g, _ := parseColour(ground)
			if c := contrast(on, g); c < 4.5 {
				t.Errorf("%s: the text on a %s has a contrast of %.2f", accent, name, c)
			}
		}
	}
	for _, bad := range []string{"", "#", "red", "#12345", "#1234567", "3d4ed8x", "#gggggg"} {
		if _, err := newPalette(bad); err == nil {
			t.Errorf("%q is a colour", bad)
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
