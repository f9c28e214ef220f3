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

// maxLine is the longest line of an email in bytes (RFC 5322 §2.1.1).
const maxLine = 998

// mimeMessage returns the email for m. With readable, parts without long lines are not
// encoded, because developers read the file. Mail servers may require the encoding.
func (c Composer) mimeMessage(m usher.Message, readable bool) (*gomail.Msg, error) {
	e, err := c.compose(m)
	if err != nil {
		return nil, err
	}
	encode := func(body string) (string, gomail.PartOption) {
		// NoEncoding is the only encoding that keeps CRLF.
		if crlf := strings.ReplaceAll(body, "\n", "\r\n"); readable && longestLine(body) <= maxLine {
			return crlf, gomail.WithPartEncoding(gomail.NoEncoding)
		}
		return body, gomail.WithPartEncoding(gomail.EncodingQP)
	}
	_, domain, _ := strings.Cut(e.from.Address, "@")
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(e.from)
	msg.ToMailAddress(&netmail.Address{Address: e.to})
	msg.Subject(e.subject)
	msg.SetDateWithValue(e.at.UTC())
	// A message that is sent again has the same id, so that receivers can recognize
	// it. m.ID may contain characters that are invalid here; its hash does not.
	msg.SetMessageIDWithValue(shortID(m.ID) + "@" + domain)
	// Suppresses out-of-office replies (RFC 3834 §5).
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("Content-Language", e.language)
	text, encoding := encode(e.text)
	msg.SetBodyString(gomail.TypeTextPlain, text, encoding)
	if !c.TextOnly {
		html, encoding := encode(e.html)
		msg.AddAlternativeString(gomail.TypeTextHTML, html, encoding)
		if e.logo != nil {
			err := msg.EmbedReader("logo."+e.logo.format, bytes.NewReader(c.Logo),
				gomail.WithFileContentID("<"+logoID+">"), gomail.WithFileContentType(gomail.ContentType("image/"+e.logo.format)))
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

// shortID returns 80 bits of the hash of a message's id as 16 letters and digits,
// for headers and file names.
func shortID(id string) string {
	sum := sha256.Sum256([]byte(id))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}
