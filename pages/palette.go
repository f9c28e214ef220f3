package pages

import (
	"unicode"
	"unicode/utf8"

	"github.com/usherkit/usher/internal/color"
)

// palette is the data of style.css, custom.css and icon.svg: the colors for light and
// for dark pages, which are derived from the accent, and the letter on the icon.
type palette struct {
	color.Shades
	Dark color.Shades
	// Initial is the first letter of the product's name.
	Initial string
}

// newPalette returns the palette of an accent color.
func newPalette(accent string) (palette, error) {
	p, err := color.NewPalette(accent)
	return palette{Shades: p.Light, Dark: p.Dark}, err
}

// noInitial stands for a name without letters and digits.
const noInitial = "·"

// initial returns the first letter or digit of a name, in upper case.
func initial(name string) string {
	for _, r := range name {
		if r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsNumber(r)) {
			return string(unicode.ToUpper(r))
		}
	}
	return noInitial
}
