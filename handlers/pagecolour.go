package handlers

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// palette are the colours that follow from the accent, and the letter on the
// icon: the data of style.css and icon.svg.
type palette struct {
	// Accent is the ground of buttons, AccentHover the same under the mouse.
	Accent, AccentHover string
	// OnAccent is black or white.
	OnAccent string
	// LinkLight and LinkDark are the accent as text on the light and on the
	// dark ground.
	LinkLight, LinkDark string
	// Initial is the first letter of the product's name.
	Initial string
}

type colour struct{ r, g, b float64 }

var black, white = colour{0, 0, 0}, colour{1, 1, 1}

// The darkest light ground and the lightest dark ground that links stand on.
var lightGround, darkGround = colour{0xf5 / 255., 0xf5 / 255., 0xf3 / 255.}, colour{0x19 / 255., 0x1b / 255., 0x1e / 255.}

// readable is the contrast that WCAG 2.2, 1.4.3 asks of text, with a little to
// spare for mixing.
const readable = 4.6

func newPalette(accent string) (palette, error) {
	c, err := parseColour(accent)
	if err != nil {
		return palette{}, err
	}
	p := palette{Accent: c.String(), OnAccent: "#fff", AccentHover: c.mix(black, .14).String()}
	if contrast(c, white) < readable {
		p.OnAccent, p.AccentHover = "#000", c.mix(white, .14).String()
		if contrast(c, black) < contrast(c, white) {
			p.OnAccent = "#fff"
		}
	}
	p.LinkLight = c.towards(black, lightGround).String()
	p.LinkDark = c.towards(white, darkGround).String()
	return p, nil
}

func parseColour(s string) (colour, error) {
	n, err := strconv.ParseUint(s[min(1, len(s)):], 16, 24)
	if err != nil || len(s) != 7 || s[0] != '#' {
		return colour{}, errors.New(`must be a colour such as "#3d4ed8"`)
	}
	return colour{float64(n>>16) / 255, float64(n>>8&255) / 255, float64(n&255) / 255}, nil
}

func (c colour) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c.r*255)), int(math.Round(c.g*255)), int(math.Round(c.b*255)))
}

// mix adds a share of another colour.
func (c colour) mix(other colour, share float64) colour {
	f := func(a, b float64) float64 { return a + (b-a)*share }
	return colour{f(c.r, other.r), f(c.g, other.g), f(c.b, other.b)}
}

// towards mixes in another colour until the text can be read on the ground.
func (c colour) towards(other, ground colour) colour {
	for share := 0.; share < 1; share += .02 {
		if m := c.mix(other, share); contrast(m, ground) >= readable {
			return m
		}
	}
	return other
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
