package handlers

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// palette is the data of style.css, custom.css and icon.svg: the colours that
// follow from the accent on a light ground, those on a dark one, and the letter
// on the icon.
type palette struct {
	shades
	Dark shades
	// Initial is the first letter of the product's name.
	Initial string
}

// shades are the accent on grounds of one brightness.
type shades struct {
	// Accent is the ground of buttons, AccentHover the same under the mouse,
	// AccentEdge the line around them.
	Accent, AccentHover, AccentEdge string
	// OnAccent is black or white.
	OnAccent string
	// Link is the accent as text.
	Link string
}

type colour struct{ r, g, b float64 }

var black, white = colour{0, 0, 0}, colour{1, 1, 1}

// scheme is what the accent has to stand out from: the grounds of style.css.
type scheme struct {
	// card and ground are those of buttons and links; away is what the accent is
	// mixed with until it stands out from both.
	card, ground, away colour
	// fill is the least contrast of a button's ground. On white a pale button
	// stays as it is, for the line around it shows where it ends. On a dark page a
	// dark button with a line would look like the buttons that matter less.
	fill float64
}

var (
	lightScheme = scheme{card: white, ground: hex("#f5f5f3"), away: black, fill: 1.25}
	darkScheme  = scheme{card: hex("#191b1e"), ground: hex("#111214"), away: white, fill: visible}
)

const (
	// readable is the contrast that WCAG 2.2, 1.4.3 asks of text, with a little
	// to spare for rounding; visible is that of 1.4.11 for what is no text.
	readable = 4.6
	visible  = 3.1
)

func newPalette(accent string) (palette, error) {
	c, err := parseColour(accent)
	if err != nil {
		return palette{}, err
	}
	return palette{shades: lightScheme.shades(c), Dark: darkScheme.shades(c)}, nil
}

func (s scheme) shades(accent colour) shades {
	fill := s.until(accent, s.fill)
	// Under the mouse the ground moves away from the text.
	on, hover := "#fff", fill.mix(black, .14)
	if contrast(fill, white) < readable && contrast(fill, black) > contrast(fill, white) {
		on, hover = "#000", fill.mix(white, .14)
	}
	return shades{
		Accent: fill.String(), AccentHover: hover.String(), OnAccent: on,
		AccentEdge: s.until(fill, visible).String(), Link: s.until(accent, readable).String(),
	}
}

// until mixes the colour away from the grounds until it has that contrast to
// both.
func (s scheme) until(c colour, least float64) colour {
	for share := 0.; share < 1; share += .02 {
		if m := c.mix(s.away, share); min(contrast(m, s.card), contrast(m, s.ground)) >= least {
			return m
		}
	}
	return s.away
}

func parseColour(s string) (colour, error) {
	n, err := strconv.ParseUint(s[min(1, len(s)):], 16, 24)
	if err != nil || len(s) != 7 || s[0] != '#' {
		return colour{}, errors.New(`must be a colour such as "#3d4ed8"`)
	}
	return colour{float64(n>>16) / 255, float64(n>>8&255) / 255, float64(n&255) / 255}, nil
}

// hex is a colour of this package.
func hex(s string) colour {
	c, err := parseColour(s)
	if err != nil {
		panic(s + " " + err.Error())
	}
	return c
}

func (c colour) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c.r*255)), int(math.Round(c.g*255)), int(math.Round(c.b*255)))
}

// mix adds a share of another colour.
func (c colour) mix(other colour, share float64) colour {
	f := func(a, b float64) float64 { return a + (b-a)*share }
	return colour{f(c.r, other.r), f(c.g, other.g), f(c.b, other.b)}
}

// contrast is the contrast ratio of WCAG 2.2.
func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + .05) / (min(x, y) + .05)
}

// luminance is the relative luminance of WCAG 2.2.
func (c colour) luminance() float64 {
	f := func(v float64) float64 {
		if v <= .04045 {
			return v / 12.92
		}
		return math.Pow((v+.055)/1.055, 2.4)
	}
	return .2126*f(c.r) + .7152*f(c.g) + .0722*f(c.b)
}

// initial is the first letter or digit of a name, in upper case.
func initial(name string) string {
	for _, r := range name {
		if r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsNumber(r)) {
			return string(unicode.ToUpper(r))
		}
	}
	return "·"
}
