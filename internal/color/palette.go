package color

// DefaultAccent is the accent of a program that configures none.
const DefaultAccent = "#3d4ed8"

// Palette holds the colors derived from an accent, for light and for dark mode.
type Palette struct{ Light, Dark Shades }

// Shades holds the accent's CSS colors for one mode.
type Shades struct {
	// Accent is the background of buttons, AccentHover their background under the
	// mouse pointer, and AccentEdge their border.
	Accent, AccentHover, AccentEdge string
	// OnAccent is the text color of buttons, "#000" or "#fff".
	OnAccent string
	// Link is the color of links.
	Link string
}

// mode holds the backgrounds that an accent must stand out from.
type mode struct {
	// card and page are the backgrounds behind buttons and links.
	card, page Color
	// opposite is mixed into the accent until it has enough contrast to both.
	opposite Color
	// minButton is the lowest contrast of a button's background. In light mode a
	// pale button keeps its color, because the border shows where it ends. In dark
	// mode a dark button with a border would look like a secondary button.
	minButton float64
}

// The backgrounds of the pages' style.css and of the emails' layout.html.
var (
	light = mode{card: white, page: mustParse("#f5f5f3"), opposite: black, minButton: 1.25}
	dark  = mode{card: mustParse("#191b1e"), page: mustParse("#111214"), opposite: white, minButton: minVisible}
)

const (
	// minReadable is the contrast that WCAG 2.2 requires of text (1.4.3), plus a
	// margin for rounding. minVisible is the same for other parts (1.4.11).
	minReadable = 4.6
	minVisible  = 3.1
	// minGray is the contrast of a gray that would otherwise be invisible. Gray
	// has no hue that would distinguish it from the muted text around it.
	minGray = 12
)

// NewPalette returns the palette of an accent in the form "#rrggbb".
func NewPalette(accent string) (Palette, error) {
	c, err := Parse(accent)
	if err != nil {
		return Palette{}, err
	}
	return Palette{Light: light.shades(c), Dark: dark.shades(c)}, nil
}

func (m mode) shades(accent Color) Shades {
	minButton, minLink := m.minButton, minReadable
	if accent.isGray() && m.contrast(accent) < minVisible {
		minButton, minLink = minGray, minGray
	}
	button := m.adjust(accent, minButton)
	// Under the mouse pointer the background moves away from the text color.
	text, hover := "#fff", button.mix(black, .14)
	if Contrast(button, white) < minReadable && Contrast(button, black) > Contrast(button, white) {
		text, hover = "#000", button.mix(white, .14)
	}
	return Shades{
		Accent: button.String(), AccentHover: hover.String(), OnAccent: text,
		AccentEdge: m.adjust(button, minVisible).String(), Link: m.adjust(accent, minLink).String(),
	}
}

// adjust changes the color as little as possible so that its contrast to both
// backgrounds is at least min.
func (m mode) adjust(c Color, min float64) Color {
	for share := 0.; share < 1; share += .02 {
		if adjusted := c.mix(m.opposite, share); m.contrast(adjusted) >= min {
			return adjusted
		}
	}
	return m.opposite
}

// contrast returns the lower one of the contrasts to the two backgrounds.
func (m mode) contrast(c Color) float64 { return min(Contrast(c, m.card), Contrast(c, m.page)) }
