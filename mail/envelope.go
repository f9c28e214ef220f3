package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	netmail "net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/usherkit/usher"
)

// maxLine is the most bytes in a line of a mail (RFC 5322 §2.1.1).
const maxLine = 998

// envelope makes the mail of m. The library writes the headers. With plain the
// body stays readable as it is, where its lines allow; a mail on its way
// through other servers is encoded.
func (c Composer) envelope(m usher.Message, plain bool) (*gomail.Msg, error) {
	l, err := c.compose(m)
	if err != nil {
		return nil, err
	}
	encode := func(body string) (string, gomail.PartOption) {
		// Only this encoding leaves line ends alone.
		if crlf := strings.ReplaceAll(body, "\n", "\r\n"); plain && longestLine(body) <= maxLine {
			return crlf, gomail.WithPartEncoding(gomail.NoEncoding)
		}
		return body, gomail.WithPartEncoding(gomail.EncodingQP)
	}
	_, domain, _ := strings.Cut(l.from.Address, "@")
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(l.from)
	msg.ToMailAddress(&netmail.Address{Address: l.to})
	msg.Subject(l.subject)
	msg.SetDateWithValue(l.at.UTC())
	// The same message has the same id however often it is sent, so that a
	// receiver can tell. The hash makes any ID a valid one.
	msg.SetMessageIDWithValue(shortID(m.ID) + "@" + domain)
	// No out-of-office answers, please (RFC 3834 §5).
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("Content-Language", l.language)
	text, encoding := encode(l.text)
	msg.SetBodyString(gomail.TypeTextPlain, text, encoding)
	if !c.TextOnly {
		html, encoding := encode(l.html)
		msg.AddAlternativeString(gomail.TypeTextHTML, html, encoding)
		if l.logo != nil {
			err := msg.EmbedReader("logo."+l.logo.format, bytes.NewReader(c.Logo),
				gomail.WithFileContentID("<"+logoID+">"), gomail.WithFileContentType(gomail.ContentType("image/"+l.logo.format)))
			if err != nil {
				return nil, fmt.Errorf("mail: Composer.Logo: %w", err)
			}
		}
	}
	return msg, nil
}

func longestLine(s string) int {
	longest := 0
	for line := range strings.Lines(s) {
		longest = max(longest, len(line)-1)
	}
	return longest
}

// shortID makes a message's id fit for headers and file names: 16 letters and
// digits, 80 bits of its hash.
func shortID(id string) string {
	sum := sha256.Sum256([]byte(id))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}
