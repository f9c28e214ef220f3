package mail_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/mail"
)

// picture returns a PNG image.
func picture(t *testing.T, width, height int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width {
		img.Set(i, 0, color.RGBA{0, 100, 200, 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestComposer_Accent(t *testing.T) {
	c := composer()
	c.Accent = "#111827"
	_, _, html, err := c.Render(message(usher.MessageResetPassword))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(html, "background:#111827;color:#fff;") || strings.Contains(html, "#3d4ed8") {
		t.Errorf("the button is not in the accent:\n%s", html)
	}
	// It would be invisible in dark mode.
	_, dark, _ := strings.Cut(html, "prefers-color-scheme: dark")
	dark, _, _ = strings.Cut(dark, "</style>")
	if strings.Contains(dark, "#111827") || !strings.Contains(dark, "color: #000 !important") {
		t.Errorf("in dark:\n%s", dark)
	}
}

func TestComposer_LogoIsEmbedded(t *testing.T) {
	c := composer()
	c.Logo = picture(t, 120, 64)
	path := t.TempDir()
	if err := (&mail.Folder{Path: path, Composer: c}).Send(t.Context(), message(usher.MessageResetPassword)); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(path, "*.eml"))
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/related" {
		t.Fatalf("the email is %s, %v", kind, err)
	}
	parts := multipart.NewReader(parsed.Body, params["boundary"])
	words, err := parts.NextPart()
	if err != nil || !strings.HasPrefix(words.Header.Get("Content-Type"), "multipart/alternative") {
		t.Fatalf("the first part is %v, %v", words.Header, err)
	}
	body, _ := io.ReadAll(words)
	if !bytes.Contains(body, []byte(`<img src="cid:logo" alt="Example" width="60" height="32"`)) {
		t.Errorf("no logo in\n%s", body)
	}
	logo, err := parts.NextPart()
	if err != nil {
		t.Fatal(err)
	}
	if h := logo.Header; h.Get("Content-Id") != "<logo>" || !strings.HasPrefix(h.Get("Content-Type"), "image/png") ||
		!strings.HasPrefix(h.Get("Content-Disposition"), "inline") {
		t.Errorf("the logo has %v", h)
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Errorf("a third part: %v", err)
	}
	c.TextOnly = true
	if err := (&mail.Folder{Path: path, Composer: c}).Send(t.Context(), message(usher.MessageResetPassword)); err != nil {
		t.Fatal(err)
	}
	if raw, err = os.ReadFile(files[0]); err != nil || bytes.Contains(raw, []byte("logo")) {
		t.Errorf("a text has a logo: %v\n%s", err, raw)
	}
}

func TestComposer_InvalidBrand(t *testing.T) {
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, image.NewRGBA(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	good := composer()
	good.Logo = photo.Bytes()
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*mail.Composer){
		"Composer.Accent":                func(c *mail.Composer) { c.Accent = "blue" },
		"Composer.Logo must be a PNG":    func(c *mail.Composer) { c.Logo = []byte("<svg xmlns='http://www.w3.org/2000/svg'/>") },
		"Composer.Logo has":              func(c *mail.Composer) { c.Logo = append(picture(t, 8, 8), make([]byte, 100_000)...) },
		"function \"shout\" not defined": func(c *mail.Composer) { c.Templates = withSubject("{{shout .Name}}") },
	} {
		c := composer()
		spoil(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
