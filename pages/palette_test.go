package pages

import "testing"

func TestInitial(t *testing.T) {
	for name, want := range map[string]string{"acme": "A", "  «élan»": "É", "": "·", "\xff": "·", "7 Seas": "7"} {
		if got := initial(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
}
