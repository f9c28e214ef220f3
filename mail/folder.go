package mail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/usherkit/usher"
)

// Folder is an [usher.Mailer] that writes files. Make it with [Dir].
type Folder struct {
	path     string
	composer Composer
	print    io.Writer
	mu       sync.Mutex // one line at a time to print
}

var _ usher.Mailer = (*Folder)(nil)

// A DirOption changes what [Dir] does.
type DirOption func(*Folder)

// WithComposer words the mails with c. Without it the zero Composer does. A
// mistake in c shows in the first Send; [Composer.Check] finds it earlier.
func WithComposer(c Composer) DirOption {
	return func(f *Folder) { f.composer = c }
}

// InsecurePrintLinks writes one line a mail to w: its kind, its address and its
// link. Whoever reads the line can take over the account: use it on the
// machine of a developer and nowhere else.
func InsecurePrintLinks(w io.Writer) DirOption {
	return func(f *Folder) { f.print = w }
}

// Dir delivers into the folder at path, one .eml file a message (RFC 5322).
// The folder is made with mode 0700 if it is missing, the files have mode 0600:
// they hold links.
//
// A file's name is the time of the message in UTC, its kind and a short id, as
// 20261123T183501Z-reset_password-5mh2gqkzvw3bq7ad.eml, so that names sort by
// time and never hold an address or a secret. The same message sent again
// replaces its file. A file appears complete or not at all.
func Dir(path string, opts ...DirOption) *Folder {
	f := &Folder{path: path}
	for _, opt := range opts {
		opt(f)
	}
	return f
}

// Send writes the file. The error is a [*MessageError] or one of package os.
func (f *Folder) Send(ctx context.Context, m usher.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	msg, err := f.composer.envelope(m, true)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		return fmt.Errorf("mail: folder: %w", err)
	}
	name := fmt.Sprintf("%s-%s-%s.eml", m.At.UTC().Format("20060102T150405Z"), m.Kind, shortID(m.ID))
	if err := writeFile(filepath.Join(f.path, name), msg); err != nil {
		return fmt.Errorf("mail: folder: %w", err)
	}
	if f.print == nil {
		return nil
	}
	line := fmt.Sprintf("mail: %s to %s", m.Kind, m.To)
	if kinds[m.Kind] {
		line += ": " + m.Link.Reveal()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	// The mail is delivered, whatever becomes of the line.
	_, _ = fmt.Fprintln(f.print, line)
	return nil
}

// writeFile writes content under another name first, so that path never names
// half a file, and on to the disk, because the outbox forgets what was
// delivered.
func writeFile(path string, content io.WriterTo) error {
	// Readers that look for *.eml don't see it. os.CreateTemp makes mode 0600.
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = content.WriteTo(temp)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}
