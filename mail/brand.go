package mail

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"image"
	_ "image/gif"  // the formats that
	_ "image/jpeg" // every mail program
	_ "image/png"  // can show

	"github.com/usherkit/usher/internal/color"
)

// Shades holds the CSS colors that are derived from the Composer's Accent for light
// or for dark mode. They differ from Accent only where buttons would be invisible
// or links unreadable (WCAG 2.2, 1.4.3 and 1.4.11).
type Shades struct {
	// Accent is the background of buttons, AccentEdge their border, and OnAccent their
	// text color.
	Accent, AccentEdge, OnAccent string
	// Link is the color of links.
	Link string
}

// Logo describes the Composer's Logo for the templates.
type Logo struct {
	// URL refers to the image in the email (RFC 2392).
	URL htmltemplate.URL
	// Width and Height are in CSS pixels.
	Width, Height int

	format string
}

const (
	// logoHeight is the height in CSS pixels, as on the pages.
	logoHeight = 32
	// maxLogo is the largest logo in bytes, because every email contains it.
	maxLogo = 100_000
	logoID  = "logo"
)

// palette returns the colors for light and for dark mode.
func (c Composer) palette() (light, dark Shades, err error) {
	p, err := color.NewPalette(cmp.Or(c.Accent, color.DefaultAccent))
	if err != nil {
		return Shades{}, Shades{}, fmt.Errorf("mail: Composer.Accent %w", err)
	}
	of := func(s color.Shades) Shades { return Shades{s.Accent, s.AccentEdge, s.OnAccent, s.Link} }
	return of(p.Light), of(p.Dark), nil
}

// logo returns the logo for the templates, or nil.
func (c Composer) logo() (*Logo, error) {
	if len(c.Logo) == 0 {
		return nil, nil
	}
	if len(c.Logo) > maxLogo {
		return nil, fmt.Errorf("mail: Composer.Logo has %d bytes, but every email contains it: use an image of at most %d bytes", len(c.Logo), maxLogo)
	}
	size, format, err := image.DecodeConfig(bytes.NewReader(c.Logo))
	if err != nil || size.Width < 1 || size.Height < 1 {
		return nil, errors.New("mail: Composer.Logo must be a PNG, JPEG or GIF image")
	}
	return &Logo{
		URL: "cid:" + logoID, Width: max(1, size.Width*logoHeight/size.Height), Height: logoHeight, format: format,
	}, nil
}
