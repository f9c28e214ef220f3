package colour

// Accent is the accent of a program that chooses none.
const Accent = "#3d4ed8"

// Palette are the colours that follow from an accent, on light grounds and on dark
// ones.
type Palette struct{ Light, Dark Shades }

// Shades are the accent on grounds of one brightness, as CSS has them.
type Shades struct {
	// Accent is the ground of buttons, AccentHover the same under the mouse,
	// AccentEdge the line around them.
	Accent, AccentHover, AccentEdge string
	// OnAccent is black or white.
	OnAccent string
	// Link is the accent as text.
	Link string
}

// scheme is what the accent has to stand out from.
type scheme struct {
	// card and ground are those of buttons and links; away is what the accent is
	// mixed with until it stands out from both.
	card, ground, away Colour
	// fill is the least contrast of a button's ground. On white a pale button
	// stays as it is, for the line around it shows where it ends. On a dark page a
	// dark button with a line would look like the buttons that matter less.
	fill float64
}

// The grounds of the pages' style.css and of the mails' layout.html.
var (
	light = scheme{card: white, ground: hex("#f5f5f3"), away: black, fill: 1.25}
	dark  = scheme{card: hex("#191b1e"), ground: hex("#111214"), away: white, fill: visible}
)

const (
	// readable is the contrast that WCAG 2.2, 1.4.3 asks of text, with a little
	// to spare for rounding; visible is that of 1.4.11 for what is no text.
	readable = 4.6
	visible  = 3.1
	// stark is what a grey gets that could not be seen: it has no hue by which to
	// tell it from the muted text around it.
	stark = 12
)

// NewPalette returns the palette of an accent, as "#rrggbb".
func NewPalette(accent string) (Palette, error) {
	c, err := Parse(accent)
	if err != nil {
		return Palette{}, err
	}
	return Palette{Light: light.shades(c), Dark: dark.shades(c)}, nil
}

func (s scheme) shades(accent Colour) Shades {
	ground, text := s.fill, readable
	if accent.grey() && s.contrast(accent) < visible {
		ground, text = stark, stark
	}
	fill := s.until(accent, ground)
	// Under the mouse the ground moves away from the text.
	on, hover := "#fff", fill.mix(black, .14)
	if Contrast(fill, white) < readable && Contrast(fill, black) > Contrast(fill, white) {
		on, hover = "#000", fill.mix(white, .14)
	}
	return Shades{
		Accent: fill.String(), AccentHover: hover.String(), OnAccent: on,
		AccentEdge: s.until(fill, visible).String(), Link: s.until(accent, text).String(),
	}
}

// until mixes the colour away from the grounds until it has that contrast to
// both.
func (s scheme) until(c Colour, least float64) Colour {
	for share := 0.; share < 1; share += .02 {
		if m := c.mix(s.away, share); s.contrast(m) >= least {
			return m
		}
	}
	return s.away
}

// contrast is the lower one of those to the two grounds.
func (s scheme) contrast(c Colour) float64 { return min(Contrast(c, s.card), Contrast(c, s.ground)) }
