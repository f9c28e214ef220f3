// Package colour makes the accent of a program readable: on the pages and in the
// mails, light and dark.
package colour

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Colour is a colour of sRGB.
type Colour struct{ r, g, b float64 }

var black, white = Colour{0, 0, 0}, Colour{1, 1, 1}

// Parse reads a colour such as "#3d4ed8".
func Parse(s string) (Colour, error) {
	n, err := strconv.ParseUint(s[min(1, len(s)):], 16, 24)
	if err != nil || len(s) != 7 || s[0] != '#' {
		return Colour{}, errors.New(`must be a colour such as "#3d4ed8"`)
	}
	return Colour{float64(n>>16) / 255, float64(n>>8&255) / 255, float64(n&255) / 255}, nil
}

// hex is a colour of this package.
func hex(s string) Colour {
	c, err := Parse(s)
	if err != nil {
		panic(s + " " + err.Error())
	}
	return c
}

// String returns it as Parse reads it.
func (c Colour) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c.r*255)), int(math.Round(c.g*255)), int(math.Round(c.b*255)))
}

// mix adds a share of another colour.
func (c Colour) mix(other Colour, share float64) Colour {
	f := func(a, b float64) float64 { return a + (b-a)*share }
	return Colour{f(c.r, other.r), f(c.g, other.g), f(c.b, other.b)}
}

// grey reports whether a colour has hardly a hue.
func (c Colour) grey() bool { return max(c.r, c.g, c.b)-min(c.r, c.g, c.b) < .15 }

// Contrast is the contrast ratio of WCAG 2.2.
func Contrast(a, b Colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + .05) / (min(x, y) + .05)
}

// luminance is the relative luminance of WCAG 2.2.
func (c Colour) luminance() float64 {
	f := func(v float64) float64 {
		if v <= .04045 {
			return v / 12.92
		}
		return math.Pow((v+.055)/1.055, 2.4)
	}
	return .2126*f(c.r) + .7152*f(c.g) + .0722*f(c.b)
}
