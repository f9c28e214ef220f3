package mail

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"image"
	_ "image/gif"  // the formats
	_ "image/jpeg" // that every
	_ "image/png"  // mail program shows

	"github.com/usherkit/usher/internal/color"
)

// Shades are the Composer's Accent on grounds of one brightness, as CSS has them:
// changed as little as it takes to see buttons and to read links (WCAG 2.2, 1.4.3
// and 1.4.11).
type Shades struct {
	// Accent is the ground of buttons, AccentEdge the line around them, OnAccent
	// their text.
	Accent, AccentEdge, OnAccent string
	// Link is the accent as text.
	Link string
}

// Logo is the Composer's Logo as a template shows it.
type Logo struct {
	// URL names the image within the mail (RFC 2392).
	URL htmltemplate.URL
	// Width and Height are in CSS pixels.
	Width, Height int

	format string
}

const (
	// logoHeight is how high a logo is shown, as on the pages.
	logoHeight = 32
	// maxLogo is how many bytes it may have: every mail carries it.
	maxLogo = 100_000
	logoID  = "logo"
)

// palette returns the shades on a light and on a dark ground.
func (c Composer) palette() (light, dark Shades, err error) {
	p, err := color.NewPalette(cmp.Or(c.Accent, color.DefaultAccent))
	if err != nil {
		return Shades{}, Shades{}, fmt.Errorf("mail: Composer.Accent %w", err)
	}
	of := func(s color.Shades) Shades { return Shades{s.Accent, s.AccentEdge, s.OnAccent, s.Link} }
	return of(p.Light), of(p.Dark), nil
}

// logo returns what a template needs to show the logo, or nil.
func (c Composer) logo() (*Logo, error) {
	if len(c.Logo) == 0 {
		return nil, nil
	}
	if len(c.Logo) > maxLogo {
		return nil, fmt.Errorf("mail: Composer.Logo has %d bytes, must have at most %d: every mail carries it", len(c.Logo), maxLogo)
	}
	size, format, err := image.DecodeConfig(bytes.NewReader(c.Logo))
	if err != nil || size.Width < 1 || size.Height < 1 {
		return nil, errors.New("mail: Composer.Logo must be a PNG, JPEG or GIF image")
	}
	return &Logo{
		URL: "cid:" + logoID, Width: max(1, size.Width*logoHeight/size.Height), Height: logoHeight, format: format,
	}, nil
}
