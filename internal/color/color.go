// Package color derives readable colors from a program's accent color, for the
// pages and the emails, in light and in dark mode.
package color

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Color is an sRGB color, each channel from 0 to 1.
type Color struct{ r, g, b float64 }

var black, white = Color{0, 0, 0}, Color{1, 1, 1}

// Parse reads a color in the form "#rrggbb".
func Parse(s string) (Color, error) {
	n, err := strconv.ParseUint(s[min(1, len(s)):], 16, 24)
	if err != nil || len(s) != 7 || s[0] != '#' {
		return Color{}, errors.New(`must be a color such as "#3d4ed8"`)
	}
	return Color{float64(n>>16) / 255, float64(n>>8&255) / 255, float64(n&255) / 255}, nil
}

// mustParse is Parse for the constants of this package.
func mustParse(s string) Color {
	c, err := Parse(s)
	if err != nil {
		panic(s + " " + err.Error())
	}
	return c
}

// String returns the color in the form "#rrggbb".
func (c Color) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c.r*255)), int(math.Round(c.g*255)), int(math.Round(c.b*255)))
}

// mix returns c with a share of another color, from 0 to 1, mixed in.
func (c Color) mix(other Color, share float64) Color {
	f := func(a, b float64) float64 { return a + (b-a)*share }
	return Color{f(c.r, other.r), f(c.g, other.g), f(c.b, other.b)}
}

// isGray reports whether the color has almost no hue.
func (c Color) isGray() bool { return max(c.r, c.g, c.b)-min(c.r, c.g, c.b) < .15 }

// Contrast returns the contrast ratio of two colors, from 1 to 21 (WCAG 2.2).
func Contrast(a, b Color) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + .05) / (min(x, y) + .05)
}

// luminance returns the relative luminance (WCAG 2.2).
func (c Color) luminance() float64 {
	f := func(v float64) float64 {
		if v <= .04045 {
			return v / 12.92
		}
		return math.Pow((v+.055)/1.055, 2.4)
	}
	return .2126*f(c.r) + .7152*f(c.g) + .0722*f(c.b)
}
